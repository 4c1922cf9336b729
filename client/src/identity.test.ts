import { expect, onTestFinished, test } from 'bun:test'
import { manualClock } from '../../server/src/clock.ts'
import { ask } from './api.ts'
import type { ParleyError } from './errors.ts'
import { signIn } from './identity.ts'

type Answer = Response | Promise<Response>

/** An HTTP server that answers as the test has it, and what it was asked. */
function serve(answer: (path: string, body: Record<string, unknown>) => Answer) {
  const asked: string[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      asked.push(pathname)
      const text = await request.text()
      return answer(pathname, text ? JSON.parse(text) : {})
    },
  })
  onTestFinished(() => server.stop(true))
  return { httpUrl: `http://127.0.0.1:${server.port}`, asked }
}

const problem = (status: number, code: string, headers = {}) =>
  Response.json({ code, detail: 'A sentence.', retryable: status >= 500 }, { status, headers })

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('It did not fail.')
    },
    (error: ParleyError) => error,
  )

test('a token is handed out until three quarters of its life, then renewed as the same identity', async () => {
  const clock = manualClock()
  let number = 0
  const { httpUrl, asked } = serve((path, body) => {
    number++
    if (path === '/refresh-token' && body.refresh_token !== `refresh ${number - 1}`)
      return problem(401, 'INVALID_TOKEN')
    const expires_at = clock.now() / 1000 + 3_600
    return Response.json({ id_token: `${number}`, username: 'me', expires_at, refresh_token: `refresh ${number}` })
  })
  const identity = await signIn(httpUrl, { clock })
  expect(identity.username).toBe('me')
  expect(await identity.token()).toBe('1')
  clock.advance(2_699_000)
  expect(await identity.token()).toBe('1')
  clock.advance(1_000)
  expect(await Promise.all([identity.token(), identity.token()])).toEqual(['2', '2'])
  expect(identity.refreshToken).toBe('refresh 2')
  expect(await identity.renew()).toBe('3')
  expect(asked).toEqual(['/anonymous-signin', '/refresh-token', '/refresh-token'])
})

test.each([
  ['gives out no refresh tokens, as the Python server', undefined],
  ['does not know the identity any more', 'refresh'],
])('a new identity is made where the server %s', async (_, refresh_token) => {
  const clock = manualClock()
  let number = 0
  const { httpUrl, asked } = serve(path =>
    path === '/refresh-token'
      ? problem(401, 'INVALID_TOKEN')
      : Response.json({ id_token: `${++number}`, username: `user ${number}`, refresh_token }),
  )
  const identity = await signIn(httpUrl, { clock })
  clock.advance(2_700_000)
  expect(await identity.token()).toBe('2')
  expect(identity.username).toBe('user 2')
  expect(asked.at(-1)).toBe('/anonymous-signin')
})

test('an outage is no reason to become somebody else', async () => {
  const clock = manualClock()
  const { httpUrl, asked } = serve(path =>
    path === '/refresh-token'
      ? problem(503, 'UNAVAILABLE', { 'Retry-After': '7' })
      : Response.json({ id_token: '1', username: 'me', refresh_token: 'refresh' }),
  )
  const identity = await signIn(httpUrl, { clock })
  clock.advance(2_700_000)
  const error = await errorOf(identity.token())
  expect([error.code, error.retryable, error.retryAfter, error.message]).toEqual([
    'UNAVAILABLE',
    true,
    7,
    'A sentence.',
  ])
  expect(asked).toEqual(['/anonymous-signin', '/refresh-token'])
})

test('an identity of before comes back by its refresh token', async () => {
  const { httpUrl, asked } = serve((_, body) =>
    Response.json({ id_token: '1', username: 'me', refresh_token: `${body.refresh_token}!` }),
  )
  expect((await signIn(httpUrl, { refreshToken: 'kept' })).refreshToken).toBe('kept!')
  expect(asked).toEqual(['/refresh-token'])
})

test('what is no answer of Parley says so', async () => {
  const { httpUrl } = serve(path => {
    if (path === '/html') return new Response('<html>')
    if (path === '/gateway') return new Response('Bad gateway', { status: 502 })
    return Response.json(null, { status: 418 })
  })
  expect((await errorOf(ask(httpUrl, { method: 'GET', path: '/html' }))).code).toBe('DISCONNECTED')
  const gateway = await errorOf(ask(httpUrl, { method: 'GET', path: '/gateway' }))
  expect([gateway.code, gateway.retryable]).toEqual(['DISCONNECTED', true])
  const odd = await errorOf(ask(httpUrl, { method: 'GET', path: '/odd' }))
  expect([odd.code, odd.message, odd.retryable]).toEqual(['DISCONNECTED', 'The server answered 418.', false])
  const nobody = await errorOf(ask('http://127.0.0.1:1', { method: 'GET', path: '/' }))
  expect([nobody.code, nobody.retryable]).toEqual(['DISCONNECTED', true])
})

test('a kept identity comes back, and each new refresh token is kept', async () => {
  let kept: string | undefined
  const store = {
    get: () => kept,
    set(refreshToken: string) {
      kept = refreshToken
    },
  }
  let number = 0
  const { httpUrl, asked } = serve((path, body) => {
    if (path === '/refresh-token' && body.refresh_token !== `refresh ${number}`) return problem(401, 'INVALID_TOKEN')
    number++
    return Response.json({ id_token: `${number}`, username: 'me', refresh_token: `refresh ${number}` })
  })
  const identity = await signIn(httpUrl, { store })
  expect(kept).toBe('refresh 1')
  await identity.renew()
  expect(kept).toBe('refresh 2')
  await signIn(httpUrl, { store })
  expect(kept).toBe('refresh 3')
  expect(asked).toEqual(['/anonymous-signin', '/refresh-token', '/refresh-token'])
})
