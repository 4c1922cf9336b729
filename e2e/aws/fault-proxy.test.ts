import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const answer = 'x'.repeat(10_000)
let served = 0
const service = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    served++
    const { pathname, search } = new URL(request.url)
    const said = `${request.method} ${pathname}${search} ${request.headers.get('x-amz-target')} ${await request.text()} `
    return new Response(said + answer, { status: 201, headers: { 'x-served-by': 'service' } })
  },
})
const proxy: FaultProxy = await startFaultProxy(`http://127.0.0.1:${service.port}`)
afterAll(async () => {
  await proxy.close()
  await service.stop(true)
})
beforeEach(() => {
  proxy.fault('none')
  served = 0
})

const ask = (target: string, init: RequestInit = {}) =>
  fetch(proxy.url, { method: 'POST', body: '{}', headers: { 'x-amz-target': target }, ...init })
const refusal = async (request: Promise<unknown>) =>
  request.then(
    () => 'answered',
    (error: { code?: unknown; name: string }) => (typeof error.code === 'string' ? error.code : error.name),
  )

describe('the fault proxy', () => {
  test('passes on what is asked and answered, and tells what was asked', async () => {
    const post = await ask('DynamoDB_20120810.GetItem')
    expect([post.status, post.headers.get('x-served-by')]).toEqual([201, 'service'])
    expect(await post.text()).toBe(`POST / DynamoDB_20120810.GetItem {} ${answer}`)
    const get = await fetch(`${proxy.url}/.well-known/keys?a=1`)
    expect(await get.text()).toStartWith('GET /.well-known/keys?a=1 null  ')
    expect(proxy.seen.slice(-2)).toEqual(['GetItem', 'GET /.well-known/keys'])
  })

  test('refuses connections, cuts those that are open, and is back at the same address', async () => {
    const { socket, closed } = await connected()
    await asked(socket)
    proxy.fault('refused')
    await closed
    served = 0
    expect(await refusal(ask('DynamoDB_20120810.GetItem'))).toBe('ECONNREFUSED')
    expect(served).toBe(0)
    proxy.fault('none')
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
  })

  test('hangs, also on a connection that was open before, and goes on when it is told to', async () => {
    const { socket } = await connected()
    expect(await asked(socket)).toStartWith('HTTP/1.1 201')
    proxy.fault('hung')
    const before = proxy.seen.length
    const late = asked(socket)
    expect(await refusal(ask('DynamoDB_20120810.PutItem', { signal: AbortSignal.timeout(100) }))).toBe('TimeoutError')
    expect(proxy.seen.slice(before).sort()).toEqual(['GET /', 'PutItem'])
    proxy.fault('none')
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
    expect(await Promise.race([late, 'nothing'])).toBe('nothing')
    socket.destroy()
    expect(served).toBe(2)
  })

  test.each([
    ['DynamoDB_20120810.GetItem', 400, 'ThrottlingException'],
    ['AWSCognitoIdentityProviderService.SignUp', 400, 'TooManyRequestsException'],
  ])('throttles %s as the service does', async (target, status, type) => {
    proxy.fault('throttled')
    const response = await ask(target)
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toStartWith('application/x-amz-json-1.')
    expect(await response.json()).toMatchObject({ __type: type })
    expect(served).toBe(0)
  })

  test('cuts the answer in the middle, after the service has done what was asked', async () => {
    proxy.fault('cut')
    const response = await ask('DynamoDB_20120810.PutItem')
    expect(response.status).toBe(201)
    expect(await refusal(response.text())).toBe('ECONNRESET')
    expect(served).toBe(1)

    const { socket, closed } = await connected()
    const got: string[] = []
    socket.on('data', data => got.push(String(data)))
    socket.write(request)
    await closed
    const [head, body = ''] = got.join('').split('\r\n\r\n')
    const length = Number(head?.match(/content-length: (\d+)/i)?.[1])
    expect(body.length).toBe(Math.floor(length / 2))
  })

  test('answers slowly', async () => {
    proxy.fault({ slow: 100 })
    const start = performance.now()
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
    expect(performance.now() - start).toBeGreaterThanOrEqual(99)
  })

  test.each([
    ['expired', 600_000, /^Signature expired: (\S+) is now earlier than (\S+) \((\S+) - 5 min\.\)$/],
    ['not yet current', -600_000, /^Signature not yet current: (\S+) is still later than (\S+) \((\S+) \+ 5 min\.\)$/],
  ])('refuses a signature that is %s as AWS does, and tells the time', async (_, ahead, message) => {
    const signedAt = (ms: number) => {
      const time = new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')
      const headers = { 'x-amz-target': 'a.AdminDeleteUser', 'x-amz-date': time, authorization: 'AWS4-HMAC-SHA256 x' }
      return fetch(proxy.url, { method: 'POST', body: '{}', headers })
    }
    proxy.clock(ahead)
    const refused = await signedAt(Date.now())
    expect(refused.status).toBe(400)
    const { __type, message: said } = (await refused.json()) as { __type: string; message: string }
    expect(__type).toBe('InvalidSignatureException')
    expect(said).toMatch(message)
    const theirs = Date.parse(refused.headers.get('date') ?? '')
    expect(Math.abs(theirs - Date.now() - ahead)).toBeLessThan(10_000)
    expect(served).toBe(0)
    expect((await signedAt(theirs)).status).toBe(201)
    // Without a signature there is no time to be wrong.
    expect((await ask('AWSCognitoIdentityProviderService.SignUp')).status).toBe(201)
    proxy.clock(0)
    expect((await signedAt(Date.now())).status).toBe(201)
  })

  test('answers with a status', async () => {
    proxy.fault({ status: 500 })
    const response = await ask('DynamoDB_20120810.GetItem')
    expect([response.status, ((await response.json()) as { __type: string }).__type]).toEqual([
      500,
      'InternalServerError',
    ])
    expect(served).toBe(0)
  })

  test('fails only what it is told to', async () => {
    proxy.fault({ status: 500 }, /^PutItem$/)
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
    expect((await ask('DynamoDB_20120810.PutItem')).status).toBe(500)
    proxy.fault({ status: 500 }, /^PutItem$/, 1)
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
    expect((await ask('DynamoDB_20120810.PutItem')).status).toBe(500)
    expect((await ask('DynamoDB_20120810.PutItem')).status).toBe(201)
    proxy.fault({ status: 503 }, /keys/)
    expect((await fetch(`${proxy.url}/keys`)).status).toBe(503)
    proxy.fault('refused', /^PutItem$/)
    expect((await ask('DynamoDB_20120810.GetItem')).status).toBe(201)
    expect(await refusal(ask('DynamoDB_20120810.PutItem'))).toBe('ECONNRESET')
  })
})

const request = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A connection to the proxy; `closed` resolves when it is, by an end or a reset. */
async function connected(): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => socket.on('close', () => resolve()))
  await once(socket, 'connect')
  return { socket, closed }
}

/** What comes back first. */
async function asked(socket: Socket): Promise<string> {
  const data = once(socket, 'data')
  socket.write(request)
  return String((await data)[0])
}
