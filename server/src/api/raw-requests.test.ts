import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { metricOf, recordingLog, startServer, type TestServer } from '../../test/harness.ts'

const log = recordingLog()
let server: TestServer
beforeAll(async () => {
  server = await startServer({ PARLEY_LOG_LEVEL: 'debug' }, { log })
})
afterAll(() => server[Symbol.asyncDispose]())

/** What the server writes until it closes the connection. */
function answerTo(url: string, request: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(request))
    socket.setEncoding('utf8').on('data', text => {
      answer += text
    })
    socket.on('error', reject).on('close', () => resolve(answer))
  })
}

const head = (target: string, method = 'GET') => `${method} ${target} HTTP/1.1\r\nHost: parley\r\nConnection: close\r\n`
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
const get = async (target: string) => statusOf(await answerTo(server.http, `${head(target)}\r\n`))

/** A request with a body in UTF-8 or not. */
const post = (target: string, body: Uint8Array, headers = '') =>
  answerTo(
    server.http,
    Buffer.concat([Buffer.from(`${head(target, 'POST')}${headers}Content-Length: ${body.length}\r\n\r\n`), body]),
  )

describe('a path is served in its one exact spelling', () => {
  for (const target of [
    '/metrics',
    '/metrics?',
    '/metrics?a=%2e%2e',
    'http://parley/metrics',
    'http://other/metrics?x',
  ]) {
    test(`${target} is /metrics`, async () => expect(await get(target)).toBe(200))
  }

  const others = [
    ...[
      '/%6Detrics',
      '/%6detrics',
      '/m%65trics',
      '/metric%73',
      '/%2Fmetrics',
      '%2Fmetrics',
      '/metrics%2F',
      '/metrics%00',
    ],
    ...[
      '/x/../metrics',
      '/./metrics',
      '/metrics/.',
      '/metrics/x/..',
      '/x/%2e%2e/metrics',
      '/%2E/metrics',
      '/.%2e/metrics',
    ],
    ...['//metrics', '///metrics', '/metrics/', '/metrics//', '//parley/metrics', '/x//../metrics', '/..//metrics'],
    ...[
      '/\\metrics',
      '/x\\..\\metrics',
      '\\metrics',
      '/metrics;x',
      '/metrics#',
      '/metrics#?',
      '/METRICS',
      '/metrics%20',
    ],
    ...['metrics', '*', '?/metrics', '/?/metrics', 'parley:80', 'http://parley//metrics', 'http://parley/x/../metrics'],
    ...[
      '/livez/../metrics',
      '/livez/%2e%2e/metrics',
      '/rooms/../metrics',
      '/rooms/x/../../metrics',
      '/rooms/..%2fmetrics',
    ],
    ...[
      '/rooms/x/peers/../../../metrics',
      '/docs/../metrics',
      '/%2e%2e/metrics',
      '/..;/metrics',
      '/metrics%3f',
      '/metrics%23',
    ],
  ]
  for (const target of others) {
    test(`${target} is not`, async () => {
      const answer = await answerTo(server.http, `${head(target)}\r\n`)
      expect(answer).not.toContain('parley_connections')
      // The room of a name such as "../metrics" is looked for, but nobody has shown who he is.
      // Of `/?/metrics`, the path is `/`, which leads to /docs.
      expect(target.startsWith('/?') ? [302] : [400, 401, 404]).toContain(statusOf(answer))
    })
  }

  test('and what a proxy denies to the outside for one path, it denies for all of them', async () => {
    for (const path of ['readyz', 'livez', 'health', 'docs', 'openapi.json', '.well-known/jwks.json']) {
      expect([path, await get(`/${path}`)]).toEqual([path, 200])
      const encoded = `%${path.charCodeAt(0).toString(16)}${path.slice(1)}`
      for (const other of [encoded, `./${path}`, `/${path}`, `${path}/`, `x/../${path}`]) {
        expect([other, await get(`/${other}`)]).toEqual([other, 404])
      }
    }
  })

  test('a path that is not there is answered with problem details, whatever its spelling', async () => {
    for (const target of ['//', '/nowhere', '/%6Detrics', '/..']) {
      expect(await answerTo(server.http, `${head(target)}\r\n`)).toContain('"code":"NOT_FOUND"')
    }
  })

  test('a method that a path does not have is 405, HEAD is GET without a body', async () => {
    expect(await answerTo(server.http, `${head('/metrics', 'DELETE')}\r\n`)).toMatch(
      /^HTTP\/1\.1 405 [\s\S]*Allow: GET\r/i,
    )
    expect(await answerTo(server.http, `${head('/metrics', 'HEAD')}\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/)
  })
})

describe('names in a path', () => {
  const names = [
    'a b',
    'a/b',
    '...',
    '%',
    '%2F',
    'é',
    '😀',
    ':peer_id',
    'a?b',
    'a#b',
    '"',
    '\\',
    'readmit',
    '+',
    '\uFFFD',
  ]
  for (const name of names) {
    test(`the peer ${JSON.stringify(name)} is removed by its encoded name, and nobody else`, async () => {
      const idToken = await server.signIn()
      const room = await server.createRoom(idToken)
      using bystander = await server.join(room, 'bystander')
      using peer = await server.join(room, name)
      const target = `/rooms/${room.room_id}/peers/${encodeURIComponent(name)}`
      const answer = await answerTo(server.http, `${head(target, 'DELETE')}Authorization: Bearer ${idToken}\r\n\r\n`)
      expect(statusOf(answer)).toBe(204)
      expect((await peer.closed).code).toBe(4507)
      expect(await bystander.rest()).toEqual([])
    })
  }

  test('what is not UTF-8 is nobody, not even a peer whose name looks like that', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using peer = await server.join(room, '\uFFFD')
    for (const name of ['%ff', '%C3', '%', '%zz', '%ED%A0%80']) {
      const request = `${head(`/rooms/${room.room_id}/peers/${name}`, 'DELETE')}Authorization: Bearer ${idToken}\r\n\r\n`
      expect([name, statusOf(await answerTo(server.http, request))]).toEqual([name, 404])
    }
    expect(await peer.rest()).toEqual([])
  })
})

describe('a health check of old', () => {
  const hosts = ['', 'Host:\r\n', 'Host: \r\n', 'Host: 10.0.0.1:8001\r\n', 'Host: a b\r\n', 'Host: /x?\r\n']
  for (const host of hosts) {
    test(`over HTTP/1.0 with ${JSON.stringify(host)} is answered like others`, async () => {
      for (const [path, status] of Object.entries({ '/livez': 200, '/readyz': 200, '/health': 200, '/x': 404 })) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await answerTo(server.http, `${method} ${path} HTTP/1.0\r\n${host}\r\n`)
          expect([path, method, statusOf(answer)]).toEqual([path, method, status])
        }
      }
      expect(await answerTo(server.http, `GET /livez HTTP/1.0\r\n${host}\r\n`)).toEndWith('{"status":"alive"}')
      // This port has WebSockets only, and says so.
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        expect(statusOf(await answerTo(server.ws, `${method} /livez HTTP/1.0\r\n${host}\r\n`))).toBe(426)
      }
    })
  }

  test('over HTTP/1.0 and with a body is answered, too', async () => {
    const body = 'Content-Length: 2\r\n\r\n{}'
    expect(statusOf(await answerTo(server.http, `POST /anonymous-signin HTTP/1.0\r\n${body}`))).toBe(200)
    expect(statusOf(await answerTo(server.http, `POST /delete-peer HTTP/1.0\r\n${body}`))).toBe(400)
    const chunked = 'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n'
    expect(statusOf(await answerTo(server.http, `POST /delete-peer HTTP/1.1\r\nHost:\r\n${chunked}`))).toBe(400)
  })
})

describe('a body', () => {
  const json = (text: string) => Buffer.from(text)
  const invalid = {
    'a byte that UTF-8 does not have': Buffer.from('{"peer_id":"\xff"}', 'latin1'),
    'a truncated character': Buffer.concat([json('{"peer_id":"'), Buffer.from([0xe2, 0x82]), json('"}')]),
    'an overlong character': Buffer.concat([json('{"peer_id":"'), Buffer.from([0xc0, 0xaf]), json('"}')]),
    'half of a surrogate pair in bytes': Buffer.concat([
      json('{"peer_id":"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      json('"}'),
    ]),
    'a character beyond Unicode': Buffer.concat([
      json('{"peer_id":"'),
      Buffer.from([0xf4, 0x90, 0x80, 0x80]),
      json('"}'),
    ]),
    'UTF-16': Buffer.from('\uFEFF{"peer_id":"x"}', 'utf16le'),
    'bytes behind the end': Buffer.concat([json('{"peer_id":"x"}'), Buffer.from([0xff])]),
    'nothing but a wrong byte': Buffer.from([0x80]),
    'two byte order marks': json('\uFEFF\uFEFF{"peer_id":"x"}'),
  }
  for (const [fault, body] of Object.entries(invalid)) {
    test(`with ${fault} is refused as INVALID_JSON`, async () => {
      expect(await post('/delete-peer', body)).toContain('"code":"INVALID_JSON"')
    })
  }

  test('may begin with a byte order mark, which some programs write', async () => {
    const answer = await post('/delete-peers-and-room', json('\uFEFF{"peer_id":"nobody"}'))
    expect(answer).toEndWith('{"status":"peer not found"}')
  })

  test('may have half of a surrogate pair as an escape, which is JSON, and it is kept', async () => {
    const idToken = await server.signIn()
    const body = json('{"metadata":{"cut":"\\ud83d"}}')
    const created = await post('/create-room', body, `Authorization: Bearer ${idToken}\r\n`)
    const { room_id } = JSON.parse(created.slice(created.indexOf('{')))
    const details = await fetch(`${server.http}/rooms/${room_id}`, { headers: { Authorization: `Bearer ${idToken}` } })
    expect(await details.text()).toContain('{"cut":"\\ud83d"}')
    expect(await post('/delete-peers-and-room', json('{"room_id":"\\ud83d"}'))).toContain('room not found')
    expect(statusOf(await post('/delete-peer', json('{"peer_id":"\\ud83d"}')))).toBe(200)
  })
})

describe('an upload that is given up', () => {
  const length = 'Content-Length: 1000\r\n\r\n{"peer'
  const chunked = 'Transfer-Encoding: chunked\r\n\r\n6\r\n{"peer\r\n'
  const ends = { reset: 'resetAndDestroy', 'half-closed': 'end', closed: 'destroy' } as const
  for (const [kind, rest] of Object.entries({ length, chunked })) {
    for (const [how, method] of Object.entries(ends)) {
      test(`and ${how}, with ${kind}, is no error of the server`, async () => {
        const before = log.lines.length
        const errors = await metricOf(server, 'parley_errors_total')
        const { hostname, port } = new URL(server.http)
        for (const path of ['/delete-peer', '/create-room', '/rooms/x', '/anonymous-signin']) {
          await new Promise<void>((resolve, reject) => {
            const socket = connect(Number(port), hostname, () => {
              const request = `${path === '/rooms/x' ? 'PATCH' : 'POST'} ${path} HTTP/1.1\r\nHost: parley\r\n${rest}`
              socket.write(request, () => socket[method]())
            })
            // A route that ignores the body answers without the rest of it.
            socket.on('data', () => socket.destroy())
            socket.on('error', reject).on('close', () => resolve())
          })
        }
        // The server has noticed by then: it reads its connections in order.
        for (let i = 0; i < 20; i++) expect(await get('/livez')).toBe(200)
        const said = log.lines.slice(before).filter(({ msg }) => msg !== 'attempt refused')
        expect(said.filter(({ level }) => Number(level) > 30)).toEqual([])
        const refused = log.lines.slice(before).filter(({ msg }) => msg === 'attempt refused').length
        expect((await metricOf(server, 'parley_errors_total')) - errors).toBe(refused)
      })
    }
  }
})
