import { describe, expect, test } from 'bun:test'
import { ChatChannel, chatProtocol } from './chat-channel.ts'

/** As much of a data channel as is needed, whose other end is another one. Messages arrive in tasks of their own. */
class End extends EventTarget {
  readyState = 'open'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  other: End | undefined
  readonly sent: unknown[] = []

  constructor(readonly protocol: string) {
    super()
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 'open') throw new Error('not open')
    this.sent.push(data)
    const arrived = typeof data === 'string' ? data : data.slice().buffer
    setTimeout(() => this.other?.dispatchEvent(new MessageEvent('message', { data: arrived })))
  }

  close(): void {
    for (const end of [this, this.other]) {
      if (end?.readyState !== 'open') continue
      end.readyState = 'closed'
      setTimeout(() => end.dispatchEvent(new Event('close')))
    }
  }
}

function pair(protocol: string): [End, End] {
  const ends: [End, End] = [new End(protocol), new End(protocol)]
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return ends
}

const chatOn = (end: End, isOurs: boolean, heard: string[]) =>
  new ChatChannel(end as unknown as RTCDataChannel, isOurs, text => heard.push(text))

describe('a channel for text', () => {
  test('carries texts both ways, and each side knows when they have arrived', async () => {
    const [a, b] = pair(chatProtocol)
    const [atA, atB]: [string[], string[]] = [[], []]
    const [ada, bob] = [chatOn(a, true, atA), chatOn(b, false, atB)]
    await ada.say('one')
    await ada.say('two')
    await bob.say('three')
    expect(await Promise.all([ada.confirm(), bob.confirm()])).toEqual([true, true])
    expect([atA, atB]).toEqual([['three'], ['one', 'two']])
  })

  test('has no more on its way than the other side can have waiting', async () => {
    const [a, b] = pair(chatProtocol)
    const heard: string[] = []
    const ada = chatOn(a, true, [])
    chatOn(b, false, heard)
    let ahead = 0
    for (let i = 0; i < 2_000; i++) {
      await ada.say(`${i}`)
      ahead = Math.max(ahead, i - heard.length)
    }
    expect(ahead).toBeLessThan(500)
    expect(await ada.confirm()).toBe(true)
    expect(heard).toEqual(Array.from({ length: 2_000 }, (_, i) => `${i}`))
  })

  test('says that the connection ended before the confirmation', async () => {
    const [a] = pair(chatProtocol)
    const ada = chatOn(a, true, [])
    a.dispatchEvent(new MessageEvent('message', { data: new Uint8Array([0]).buffer }))
    await ada.say('lost')
    const confirmed = ada.confirm()
    a.close()
    expect(await confirmed).toBe(false)
    expect(await ada.confirm()).toBe(false)
  })

  test('with a program that does not confirm is closed in order', async () => {
    const [a, b] = pair(chatProtocol)
    const heard: unknown[] = []
    b.addEventListener('message', event => heard.push((event as MessageEvent).data))
    const ada = chatOn(a, true, [])
    await ada.say('hello')
    expect(await ada.confirm()).toBe(true)
    expect([heard, b.readyState]).toEqual([['hello'], 'closed'])
  })

  test('of a program that knows of none of this carries text only', async () => {
    const [a, b] = pair('')
    const heard: string[] = []
    const bob = chatOn(b, false, heard)
    a.send('hi')
    a.send(new Uint8Array([1]))
    await bob.say('hello')
    expect(await bob.confirm()).toBe(true)
    expect([heard, b.sent]).toEqual([['hi'], ['hello']])
  })

  test('tells whoever says something that it is not open any more', async () => {
    const [a, b] = pair(chatProtocol)
    const bob = chatOn(b, false, [])
    a.close()
    expect(bob.isOpen).toBe(false)
    await expect(bob.say('x')).rejects.toThrow('not open')
  })
})
