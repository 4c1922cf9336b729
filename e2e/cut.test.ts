import { describe, expect, test } from 'bun:test'
import type { Room } from '@parley/client'
import { onFile, sendFile } from '@parley/client/files'
import { hasDataChannel, needs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { enter, messagesOn, parleyAt } from './sdk-peer.ts'
import { startSilentProxy } from './silent-proxy.ts'

const withWebRtc = needs({ 'node-datachannel': await hasDataChannel() })

/** Bob beside the server, ada behind a network that may break, and what either sees of the other. */
async function acrossANetwork() {
  const server = await startParley()
  const network = await startSilentProxy(server.wsUrl)
  const room = await (await parleyAt(server)).createRoom()
  const bob = await enter(server, room, 'bob')
  const arrival = bob.once('peerJoined')
  const ada = await enter({ ...server, wsUrl: network.wsUrl }, room, 'ada')
  await arrival
  const seen: string[] = []
  for (const [name, each] of [
    ['ada', ada],
    ['bob', bob],
  ] as const) {
    each.on('peerLeft', id => seen.push(`${name} sees ${id} leave`))
    each.on('peerJoined', ({ id }) => seen.push(`${name} sees ${id} join`))
  }
  return { server, network, room, ada, bob, seen }
}

const becomes = (room: Room, status: string) => room.once('state', state => state.status === status)

/** All that has come so far, and what comes until `count` are there. */
function messagesOf(room: Room) {
  const all: unknown[] = []
  room.on('message', (_, payload) => all.push(payload))
  return async (count: number) => {
    while (all.length < count) await room.once('message')
    return all
  }
}

describe('a cut of the connection to the server', () => {
  test('is noticed by nobody: receipts go on, and all messages come once, in order, both ways', async () => {
    const { network, ada, bob, seen } = await acrossANetwork()
    const [atAda, atBob] = [messagesOf(ada), messagesOf(bob)]
    const receipts: Promise<unknown>[] = []
    const expected: number[] = []
    for (let n = 0; n < 30; n++) {
      receipts.push(ada.send('bob', n), bob.send('ada', n))
      expected.push(n)
      if (n % 10 === 4) {
        const back = becomes(ada, 'connected')
        network.cut()
        receipts.push(ada.updateMetadata({ properties: { n } }))
        await back
      }
    }
    await Promise.all(receipts)
    expect([await atAda(30), await atBob(30)]).toEqual([expected, expected])
    expect(seen).toEqual([])
    expect([bob.peers.get('ada')?.metadata, ada.metadata]).toEqual([
      { properties: { n: 24 } },
      { properties: { n: 24 } },
    ])
  })

  test('that the client hears nothing of is mended when it asks again', async () => {
    const { network, ada, bob, seen } = await acrossANetwork()
    const atAda = messagesOf(ada)
    network.die()
    await bob.send('ada', 'to a dead connection')
    // As a browser says that the network is back; otherwise the SDK looks after 20 s.
    globalThis.dispatchEvent(new Event('online'))
    const back = becomes(ada, 'connected')
    await becomes(ada, 'reconnecting')
    await back
    expect(await atAda(1)).toEqual(['to a dead connection'])
    expect(seen).toEqual([])
  }, 30_000)

  withWebRtc('in the middle of connect does not delay it by an attempt, and its channels open', async () => {
    const { network, ada, bob, seen } = await acrossANetwork()
    const incoming = bob.once('connection')
    const connecting = ada.connect('bob')
    network.cut()
    const connection = await connecting
    const [theirs] = await incoming
    const arrival = theirs.once('channel')
    const chat = await connection.open('chat')
    const [channel] = await arrival
    const heard = messagesOn(channel)
    chat.send('hello')
    expect(await heard.next()).toBe('hello')
    network.cut()
    chat.send('still here')
    expect(await heard.next()).toBe('still here')
    expect(await bob.connect('ada')).toBe(theirs)
    expect(seen).toEqual([])
  })

  withWebRtc('is noticed neither by a file that is on its way, nor by one that is offered meanwhile', async () => {
    const { network, ada, bob, seen } = await acrossANetwork()
    const arrived: Promise<Blob>[] = []
    onFile(bob, file => void arrived.push(file.blob()))
    const bytes = new Uint8Array(4_000_000).map((_, i) => i % 251)
    const send = (name: string, onProgress = () => {}) => sendFile(ada, 'bob', new File([bytes], name), { onProgress })
    let cuts = 0
    const onProgress = () => {
      if (cuts++ === 0) network.cut()
    }
    const first = send('first.bin', onProgress)
    await becomes(ada, 'reconnecting')
    await Promise.all([first, send('second.bin')])
    for (const blob of await Promise.all(arrived)) {
      expect(Bun.hash(await blob.arrayBuffer())).toBe(Bun.hash(bytes))
    }
    expect([arrived.length, seen]).toEqual([2, []])
  })
})
