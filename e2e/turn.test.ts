import { expect } from 'bun:test'
import { createHmac } from 'node:crypto'
import type { IceServer } from '@parley/protocol'
import { createRoom, signIn } from './api.ts'
import { startCoturn } from './coturn-process.ts'
import { DataChannelPeer, relayCandidates } from './datachannel-peer.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

const components = {
  'node-datachannel': await hasDataChannel(),
  'coturn (turnserver)': runs('turnserver', '--version'),
}

const aRelay = expect.stringContaining(' typ relay ')

type Peers = readonly [client: DataChannelPeer, worker: DataChannelPeer]

/** Two peers in a new room, which may only be reached through the TURN servers that Parley tells them of. */
async function register({ httpUrl, wsUrl }: ParleyProcess): Promise<Peers> {
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const client = await DataChannelPeer.register({ wsUrl, peerId: 'client', idToken, room }, 'relay')
  // coturn would not answer this name, were it part of the user's.
  const worker = await DataChannelPeer.register(
    { wsUrl, peerId: `"the union's selected worker"`, idToken, room },
    'relay',
  )
  return [client, worker]
}

/** Text in both directions, over relays and nothing else. */
async function converse([client, worker]: Peers): Promise<void> {
  const clientChannel = await client.offer(worker.signaling.id)
  const workerChannel = await worker.channel
  clientChannel.sendText('hello from the client')
  expect(await workerChannel.received.next()).toBe('hello from the client')
  workerChannel.sendText('hello from the worker')
  expect(await clientChannel.received.next()).toBe('hello from the worker')
  for (const peer of [client, worker]) {
    expect(peer.candidates).toEqual([aRelay])
    expect(peer.selectedTypes).toEqual(['relay', 'relay'])
  }
}

/** An entry as Parley makes it, whose credentials end `seconds` from now. */
function turnServer(url: string, secret: string, seconds: number): IceServer {
  const username = `${Math.floor(Date.now() / 1000) + seconds}:me`
  return { urls: [url], username, credential: createHmac('sha1', secret).update(username).digest('base64') }
}

needs(components)('two peers talk through a TURN server with the credentials that Parley gave them', async () => {
  const { url } = await startCoturn(['secret'])
  const settings = { PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: 'secret', PARLEY_TURN_TTL_SECONDS: '60' }
  await converse(await register(await startParley({ settings })))
})

needs(components)('a TURN server refuses credentials that have ended', async () => {
  const { url } = await startCoturn(['secret'])
  expect(await relayCandidates([turnServer(url, 'secret', -10)])).toEqual([])
  expect(await relayCandidates([turnServer(url, 'another', 60)])).toEqual([])
  expect(await relayCandidates([turnServer(url, 'secret', 60)])).toEqual([aRelay])
})

needs(components)(
  'the quota that a TURN server has for a user holds for an identity, however its peers are called',
  async () => {
    const { url } = await startCoturn(['secret'], { userQuota: 1 })
    const settings = { PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: 'secret' }
    const { httpUrl, wsUrl } = await startParley({ settings })
    const idToken = await signIn(httpUrl)
    const room = await createRoom(httpUrl, idToken)
    const gather = async (peerId: string, as: string) => {
      const { registration } = await PlainPeer.register({ wsUrl, peerId, idToken: as, room })
      return relayCandidates(registration.ice_servers as IceServer[])
    }
    // Each relay is kept until the end of the test.
    expect(await gather('a', idToken)).toEqual([aRelay])
    expect(await gather('b', idToken)).toEqual([])
    expect(await gather('c', await signIn(httpUrl))).toEqual([aRelay])
  },
)

needs(components)(
  'while the secret is changed, peers get in with the new one and with what they were given before',
  async () => {
    const { url } = await startCoturn(['old', 'new'])
    for (const secret of ['old', 'new,old', 'new']) {
      const settings = { PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: secret }
      await converse(await register(await startParley({ settings })))
    }
  },
)
