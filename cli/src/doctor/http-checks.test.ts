import { describe, expect, onTestFinished, test } from 'bun:test'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkClock, checkHealth, checkReadiness, checkRoom, checkSignIn, deleteRoom } from './http-checks.ts'
import { Trouble } from './trouble.ts'

const { signal } = new AbortController()

/** Serves on a free port until the end of the test. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const answering = (status: number, body: object | string, headers: Record<string, string> = {}): Promise<string> =>
  serve((_, response) => {
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  })

async function troubleOf(promise: Promise<unknown>): Promise<Trouble> {
  const error = await promise.then(
    () => 'nothing was thrown',
    error => error,
  )
  if (error instanceof Trouble) return error
  throw error
}

describe('health', () => {
  const health = { status: 'healthy', version: '1.2.3', timestamp: '2023-11-14T22:13:20.000+00:00' }

  test('names the version, and brings the clock', async () => {
    expect(await checkHealth(await answering(200, health), signal)).toMatchObject({
      detail: 'Parley 1.2.3 answers; the median of 5 requests.',
      value: { there: 1_700_000_000 },
    })
  })

  test.each(['2023-11-14T22:13:20.000000', '2023-11-14T22:13:20Z', '2023-11-15T00:13:20+02:00'])(
    'understands the clock in the form %s',
    async timestamp => {
      const finding = await checkHealth(await answering(200, { ...health, timestamp }), signal)
      expect(finding.value).toMatchObject({ there: 1_700_000_000 })
    },
  )

  test.each(['today', 7, null, undefined])('does without a clock where it shows %p', async timestamp => {
    const finding = await checkHealth(await answering(200, { ...health, timestamp }), signal)
    expect(finding.value).toMatchObject({ there: undefined })
  })

  test('doubts a server without a version', async () => {
    const finding = await checkHealth(await answering(200, { status: 'healthy' }), signal)
    expect(finding).toMatchObject({ status: 'warning', advice: expect.stringContaining('Python') })
  })

  test.each([
    [404, 'no such page'],
    [200, '<!doctype html>'],
    [200, '[]'],
    [200, { status: 'ok' }],
  ])('does not take what answers %p, %j for Parley', async (status, body) => {
    const trouble = await troubleOf(checkHealth(await answering(status, body), signal))
    expect(trouble.message).toContain(`but is not Parley: GET /health answers ${status}.`)
  })

  test('says where a redirection leads', async () => {
    const trouble = await troubleOf(
      checkHealth(await answering(301, '', { Location: 'https://example.com/x' }), signal),
    )
    expect(trouble.advice).toBe('Use the address it leads to: https://example.com.')
  })

  test('reads no more of an endless answer than it needs', async () => {
    const url = await serve((_, response) => {
      const more = () => void response.write('x'.repeat(65_536))
      response.on('drain', more)
      more()
      more()
    })
    expect((await troubleOf(checkHealth(url, signal))).message).toContain('is not Parley')
  })
})

describe('the clock', () => {
  const at = (there: number | undefined) => checkClock({ here: 1_700_000_000, there })

  test.each([
    [0.4, 'The clocks agree.'],
    [-59, "The server's clock is 59 s behind."],
    [60, "The server's clock is 60 s ahead."],
  ])('may differ by %p s', async (skew, detail) => {
    expect(await at(1_700_000_000 + skew)).toEqual({ detail, value: undefined })
  })

  test.each([61, -3600])('is a worry when it differs by %p s', async skew => {
    expect(await at(1_700_000_000 + skew)).toMatchObject({ status: 'warning', advice: expect.stringContaining('NTP') })
  })

  test('may be unknown', async () => {
    expect(await at(undefined)).toMatchObject({ status: 'skipped' })
  })
})

describe('what the server says', () => {
  const unavailable = { code: 'UNAVAILABLE', detail: 'The room store does not answer.', retryable: true }

  test('of its readiness is told', async () => {
    const { message, advice } = await troubleOf(checkReadiness(await answering(503, unavailable), signal))
    expect(message).toBe('The server says that it is not ready: 503 (UNAVAILABLE: The room store does not answer).')
    expect(advice).toContain('log')
  })

  test('of its limits is told, with the time to wait', async () => {
    const url = await answering(429, { code: 'RATE_LIMITED', detail: 'Too many requests.' }, { 'Retry-After': '17' })
    const { message, advice } = await troubleOf(checkSignIn(url, signal))
    expect(message).toBe('POST /anonymous-signin answers 429 (RATE_LIMITED: Too many requests).')
    expect(advice).toContain('Wait for 17 s')
  })

  test('cannot write into the terminal', async () => {
    const detail = `\x1b[31mred\x07\r\n\u202e${'x'.repeat(1000)}`
    const { message } = await troubleOf(checkSignIn(await answering(500, { code: 'INTERNAL', detail }), signal))
    expect(message).toMatch(/^POST \/anonymous-signin answers 500 \(INTERNAL: \[31mred x+…\)\.$/)
  })

  test('is told from what a proxy says', async () => {
    const { message, advice } = await troubleOf(checkRoom(await answering(502, '<html>'), 'token', signal))
    expect(message).toBe('POST /create-room answers 502.')
    expect(advice).toContain('proxy')
  })

  test.each([
    ['POST /anonymous-signin', (url: string) => checkSignIn(url, signal)],
    ['POST /create-room', (url: string) => checkRoom(url, 'token', signal)],
  ])('is missed where %s brings nothing', async (request, check) => {
    expect((await troubleOf(check(await answering(200, {})))).message).toContain(`${request} answers without`)
  })
})

describe('the clean-up', () => {
  const room = { idToken: 'i', roomId: 'a/b', token: 't' }

  test('deletes the room as its owner', async () => {
    const requests: unknown[] = []
    const url = await serve(({ method, url, headers }, response) => {
      requests.push([method, url, headers.authorization])
      response.writeHead(204).end()
    })
    expect(await deleteRoom(url, room, signal)).toMatchObject({ detail: 'The room is gone again.' })
    expect(requests).toEqual([['DELETE', '/rooms/a%2Fb', 'Bearer i']])
  })

  test('is content with a room that has ended by itself', async () => {
    expect(await deleteRoom(await answering(404, {}), room, signal)).toMatchObject({
      detail: 'The room is gone again.',
    })
  })

  test('says when the room stays', async () => {
    const { message, advice } = await troubleOf(deleteRoom(await answering(500, {}), room, signal))
    expect(message).toBe('The room could not be deleted: 500.')
    expect(advice).toContain('ends by itself')
  })
})
