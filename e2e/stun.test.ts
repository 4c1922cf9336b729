import { afterAll, describe, expect, onTestFinished, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createRoom, signIn } from './api.ts'
import { endDataChannels } from './datachannel-peer.ts'
import { hasDataChannel, needs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { aiortcWorker, webrtcNeeds } from './scenarios.ts'
import { enter, messagesOn, parleyAt } from './sdk-peer.ts'

afterAll(async () => {
  if (await hasDataChannel()) await endDataChannels()
})

const withDataChannel = needs({ 'node-datachannel': await hasDataChannel() })
const withAiortc = needs(webrtcNeeds)

/** A STUN server that is asked, and never answers, as behind a firewall that lets no UDP out. */
async function silentStunServer() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  let questions = 0
  socket.on('message', () => questions++)
  onTestFinished(() => void socket.close())
  return { url: `stun:127.0.0.1:${socket.address().port}`, questions: () => questions }
}

test('peers are told of the two STUN servers of the original, for meshes too, if the operator says nothing', async () => {
  const { httpUrl, wsUrl } = await startParley({ settings: { PARLEY_STUN_URLS: '' } })
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const { registration } = await PlainPeer.register({ wsUrl, peerId: 'worker', idToken, room })
  const stun = [{ urls: ['stun:stun.l.google.com:19302', 'stun:stun1.l.google.com:19302'] }]
  expect(registration).toMatchObject({ ice_servers: stun, mesh_ice_servers: stun })
})

describe('in one network, although the STUN server does not answer,', () => {
  withAiortc('an aiortc worker finds its way, with the servers that it was told', async () => {
    const stun = await silentStunServer()
    await aiortcWorker(await startParley({ settings: { PARLEY_STUN_URLS: stun.url } }))
    expect(stun.questions()).toBeGreaterThan(0)
  })

  withDataChannel('two programs with the SDK do', async () => {
    const stun = await silentStunServer()
    const urls = await startParley({ settings: { PARLEY_STUN_URLS: stun.url } })
    const room = await (await parleyAt(urls)).createRoom()
    const [ada, bob] = [await enter(urls, room, 'ada'), await enter(urls, room, 'bob')]
    const incoming = bob.once('connection')
    const connection = await ada.connect('bob')
    const opened = (await incoming)[0].once('channel')
    const channel = await connection.open('greeting')
    const received = messagesOn((await opened)[0])
    channel.send('hello')
    expect(await received.next()).toBe('hello')
    expect(stun.questions()).toBeGreaterThan(0)
  })
})
