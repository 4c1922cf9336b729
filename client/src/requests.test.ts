import { describe, expect, test } from 'bun:test'
import type { ServerMessage } from '@parley/protocol'
import { ParleyError } from './errors.ts'
import { Requests } from './requests.ts'

const query = { type: 'query' } as const
const lost = new ParleyError('DISCONNECTED', 'Lost.')
const ack = (request_id: string): ServerMessage => ({ type: 'ack', request_id, status: 'delivered' })

/** A ledger, and the ids of what it sends, in order. */
function ledger() {
  const sent: string[] = []
  const send = (text: string) => void sent.push(JSON.parse(text).request_id)
  const requests = new Requests()
  /** Asks, and says what becomes of it. */
  const ask = () =>
    requests.make(query).then(
      answer => answer.type,
      (error: ParleyError) => error.code,
    )
  /** The connection is lost. */
  const detach = () => {
    requests.send = undefined
  }
  const take = () => sent.splice(0)
  return { requests, send, ask, detach, take }
}

describe('the ledger of requests', () => {
  test('sends them in order, those that waited first, and answers each once', async () => {
    const { requests, send, ask, take } = ledger()
    const asked = [ask(), ask()]
    expect(take()).toEqual([])
    requests.attach(send)
    asked.push(ask())
    expect(take()).toEqual(['1', '2', '3'])
    for (const id of ['3', '1', '2']) requests.answered(id)?.resolve(ack(id))
    expect(await Promise.all(asked)).toEqual(['ack', 'ack', 'ack'])
    expect([requests.answered('1'), requests.answered('4'), requests.answered()]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test.each([
    [0, ['1', '3', '4']],
    [1, ['3', '4']],
    [3, ['4']],
    [4, []],
  ])('sends again what the server has not received, of which it has %d', async (received, again) => {
    const { requests, send, ask, take } = ledger()
    requests.attach(send)
    for (let i = 0; i < 4; i++) void ask()
    requests.answered('2')?.resolve(ack('2'))
    take()
    requests.attach(send, received)
    expect(take()).toEqual(again)
    void ask()
    expect(take()).toEqual(['5'])
  })

  test('begins to count again with each session, and what waits is part of it', () => {
    const { requests, send, ask, detach, take } = ledger()
    requests.attach(send)
    void ask()
    detach()
    requests.rejectSent(lost)
    for (let i = 0; i < 2; i++) void ask()
    requests.attach(send)
    expect(take()).toEqual(['1', '2', '3'])
    // Of this session the first is the request with the id 2.
    requests.attach(send, 1)
    expect(take()).toEqual(['3'])
  })

  test('rejects what was sent when its session is over, and keeps what waits; at the end, both', async () => {
    const { requests, send, ask, detach } = ledger()
    requests.attach(send)
    const sent = ask()
    detach()
    const waiting = ask()
    requests.rejectSent(lost)
    expect(await sent).toBe('DISCONNECTED')
    requests.rejectAll(new ParleyError('LEFT', 'Left.'))
    expect(await waiting).toBe('LEFT')
  })

  test('does not count one that is too big', async () => {
    const { requests, send, ask, take } = ledger()
    requests.attach(send)
    const big = requests.make({ type: 'peer_message', payload: 'x'.repeat(2 ** 20) })
    expect(await big.catch((error: ParleyError) => error.code)).toBe('MESSAGE_TOO_BIG')
    void ask()
    expect(take()).toEqual(['1'])
  })
})
