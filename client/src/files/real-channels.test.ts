import { expect, onTestFinished } from 'bun:test'
import { hasDataChannel, needs } from '../../../e2e/needs.ts'
import { content, errorOf, isContent, recordingSink, waiting } from '../../test/file-link.ts'
import type { ParleyError } from '../errors.ts'
import { withoutCandidates } from '../first-checks.ts'
import { nodeDataChannel } from '../node-datachannel.ts'
import type { FileHandler } from './index.ts'
import { FileReceiver } from './receive-files.ts'
import { type OpenChannel, sendOver } from './send-file.ts'

const test = needs({ 'node-datachannel': await hasDataChannel() })

async function connect(): Promise<readonly [RTCPeerConnection, RTCPeerConnection]> {
  const Connection = nodeDataChannel(await import('node-datachannel'), { bindAddress: '127.0.0.1' })
  const [near, far] = [new Connection(), new Connection()]
  onTestFinished(() => {
    near.close()
    far.close()
  })
  // Neither is told of the other's candidates before there is an answer: libdatachannel fails now and then if it is reached
  // earlier (docs/upstream/libdatachannel-description-after-ice.md).
  const toFar: RTCIceCandidate[] = []
  near.onicecandidate = ({ candidate }) => void (candidate && toFar.push(candidate))
  const toNear: RTCIceCandidate[] = []
  far.onicecandidate = ({ candidate }) => void (candidate && toNear.push(candidate))
  near.onnegotiationneeded = async () => {
    await near.setLocalDescription()
    if (near.localDescription) await far.setRemoteDescription(withoutCandidates(near.localDescription))
    await far.setLocalDescription()
    if (far.localDescription) await near.setRemoteDescription(far.localDescription)
    far.onicecandidate = ({ candidate }) => void (candidate && near.addIceCandidate(candidate))
    for (const candidate of toNear) await near.addIceCandidate(candidate)
    near.onicecandidate = ({ candidate }) => void (candidate && far.addIceCandidate(candidate))
    for (const candidate of toFar) await far.addIceCandidate(candidate)
  }
  return [near, far]
}

/** A way to a receiver with this handler, over a connection that is made anew after `drop`. */
function wayTo(handler: FileHandler) {
  const receiver = new FileReceiver()
  receiver.handler = handler
  let current: Promise<readonly [RTCPeerConnection, RTCPeerConnection]> | undefined
  let connections = 0
  const open: OpenChannel = async ({ label, protocol }) => {
    if (!current) {
      connections++
      current = connect()
      const [, far] = await current
      far.ondatachannel = ({ channel }) => receiver.receive('ada', channel)
    }
    const [near] = await current
    const channel = near.createDataChannel(label, { protocol })
    await new Promise<void>((resolve, reject) => {
      channel.onopen = () => resolve()
      channel.onclose = () => reject(new Error('The channel has not opened.'))
    })
    return { channel, maxMessageSize: near.sctp?.maxMessageSize }
  }
  return {
    open,
    connections: () => connections,
    async drop(end: 0 | 1) {
      const pair = await current
      current = undefined
      pair?.[end].close()
    },
  }
}

test('several files arrive over a real connection', async () => {
  const blobs = waiting<Blob>()
  const way = wayTo(async file => blobs.push(await file.blob()))
  const sizes = [3_000_000, 1, 0, 500_000]
  // The first makes the connection.
  await sendOver(way.open, new Blob([content(10)]))
  await blobs.next()
  await Promise.all(sizes.map(size => sendOver(way.open, new Blob([content(size)]))))
  for (const _ of sizes) {
    const blob = await blobs.next()
    expect(await isContent(blob, blob.size)).toBe(true)
  }
  expect(way.connections()).toBe(1)
})

test('the last word arrives although the channel is closed behind it', async () => {
  const here = waiting<ParleyError>()
  const picky = wayTo(file => file.decline('Not today.'))
  expect(await errorOf(sendOver(picky.open, new Blob(['x'])))).toMatchObject({
    code: 'DECLINED',
    message: 'Not today.',
  })
  const { sink, ends } = recordingSink()
  const quit = new AbortController()
  const way = wayTo(async file => here.push(await errorOf(file.save(sink))))
  const sent = sendOver(way.open, new Blob([content(20_000_000)]), {
    signal: quit.signal,
    onProgress: ({ bytes }) => bytes > 0 && quit.abort(),
  })
  expect((await errorOf(sent)).code).toBe('ABORTED')
  expect(await here.next()).toMatchObject({ code: 'ABORTED', message: 'The sender has cancelled the file.' })
  expect(ends).toEqual(['abort'])
})

for (const [who, end] of [
  ['sender', 0],
  ['receiver', 1],
] as const) {
  test(`a file goes on over another connection when the ${who} has closed the first`, async () => {
    const blobs = waiting<Blob>()
    const way = wayTo(async file => blobs.push(await file.blob()))
    let isDropped = false
    const resumedAt: number[] = []
    // More than can be on its way at once.
    await sendOver(way.open, new Blob([content(20_000_000)]), {
      random: () => 0,
      onProgress({ status, bytes }) {
        if (status === 'waiting' && isDropped) resumedAt.push(bytes)
        if (bytes < 2_000_000 || isDropped) return
        isDropped = true
        void way.drop(end)
      },
    })
    expect(await isContent(await blobs.next(), 20_000_000)).toBe(true)
    expect(way.connections()).toBe(2)
    expect(resumedAt[0]).toBeGreaterThanOrEqual(2_000_000)
  })
}
