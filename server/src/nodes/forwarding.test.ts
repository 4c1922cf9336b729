import { expect, test } from 'bun:test'
import { recordingLog } from '../../test/harness.ts'
import { manualClock } from '../clock.ts'
import { type ForwardedRequest, Forwarding, type RequestLink } from './forwarding.ts'

const client = { address: '127.0.0.1', hidden: undefined, limitKey: '127.0.0.1', nearest: '127.0.0.1', isDirect: true }
const asking = (): ForwardedRequest => ({ request: new Request('http://localhost/x?y'), path: '/x', client })

/** Two nodes with a link between them; `answer` is what the second one answers. */
function pair(answer: (request: ForwardedRequest) => Promise<Response>) {
  const parts = { clock: manualClock(), log: recordingLog() }
  const nobody = () => Promise.reject(new Error('nobody is asked here'))
  const [here, there] = [new Forwarding(parts, nobody), new Forwarding(parts, answer)]
  const closed: (() => void)[] = []
  const state = { takes: true, longest: 1_000_000, loses: false }
  const end = (other: () => Forwarding, back: () => RequestLink): RequestLink => ({
    send(type, handle, body) {
      if (body.length > state.longest) throw new Error('too long')
      if (state.takes && !state.loses) queueMicrotask(() => other().receive(back(), type, handle, body))
      return state.takes
    },
    onClosed: act => void closed.push(act),
    close() {
      for (const act of closed.splice(0)) act()
    },
  })
  const near: RequestLink = end(
    () => there,
    () => far,
  )
  const far: RequestLink = end(
    () => here,
    () => near,
  )
  return { ...parts, here, near, closed, state }
}

test('a thousand requests over one link leave nothing at it', async () => {
  const { here, near, closed } = pair(async ({ path }) => Response.json({ path }))
  for (let i = 0; i < 1000; i++) expect(await (await here.ask(near, asking(), 1000)).json()).toEqual({ path: '/x' })
  expect(closed.length).toBe(1)
})

test.each([
  ['fails', () => Promise.reject(new Error('unforeseen')), 500],
  ['is longer than a link carries', async () => new Response('x'.repeat(2_000_000)), 500],
  ['has no body', async () => new Response(null, { status: 205 }), 205],
])('an answer that %s is an answer still', async (_, answer, status) => {
  const { here, near } = pair(answer)
  expect((await here.ask(near, asking(), 1000)).status).toBe(status)
})

test('who asks over a link that ends, that takes nothing, or on which nobody answers in time, is told so', async () => {
  const { clock, here, near, state } = pair(async () => new Response())
  state.loses = true
  const ended = here.ask(near, asking(), 1000)
  await Promise.resolve()
  near.close()
  await expect(ended).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const late = here.ask(near, asking(), 1000)
  await Promise.resolve()
  clock.advance(1000)
  await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  state.takes = false
  await expect(here.ask(near, asking(), 1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('a request that no link carries is refused, and not waited for', async () => {
  const { here, near, state } = pair(async () => new Response())
  state.longest = 10
  await expect(here.ask(near, asking(), 1000)).rejects.toThrow('too long')
})
