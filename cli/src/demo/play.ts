import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Parley, type Room, signIn } from '@parley/client'
import { onFile, sendFile } from '@parley/client/files'
import { Failure } from '../failure.ts'
import { diskSink } from '../files/disk-sink.ts'
import { diskSource } from '../files/disk-source.ts'
import { nodeSha256 } from '../files/node-sha256.ts'
import { Parts } from '../files/parts.ts'
import type { Output } from '../output.ts'
import { printBytes } from '../progress.ts'
import { webSocket } from '../server.ts'
import { Transfers } from '../transfers.ts'
import { observedSocket } from './observed-socket.ts'
import type { Timeline } from './timeline.ts'

const megabytes = 8

export interface PlayOptions {
  readonly httpUrl: string
  readonly wsUrl: string
  /** For the files; removed by somebody else. */
  readonly folder: string
  readonly RTCPeerConnection: typeof RTCPeerConnection
  readonly timeline: Timeline
  readonly out: Output
}

/** What a worker and a client do: all of it for real, but in one process. Leaves nothing on the server. @throws ParleyError, Failure */
export async function play(options: PlayOptions): Promise<void> {
  const { httpUrl, timeline } = options
  const [worker, client] = [await enrol('worker', options), await enrol('client', options)]
  timeline.mark('signed_in', 'server', 'has signed in the worker and the client, as two anonymous identities')

  const { roomId, token } = await worker.createRoom()
  timeline.mark('room_created', 'worker', `has made the room ${roomId}`)
  const rooms: Room[] = []
  try {
    for (const [parley, peerId] of [
      [worker, 'worker'],
      [client, 'client'],
    ] as const) {
      rooms.push(await parley.join({ roomId, token, peerId, role: peerId }))
      timeline.mark(`${peerId}_registered`, peerId, `is registered over the WebSocket`)
    }
    const [there, here] = rooms as [Room, Room]
    await meet(there, here, timeline)
    await transfer(there, here, options)
  } finally {
    for (const room of rooms) room.leave()
    await worker.request({ method: 'DELETE', path: `/rooms/${roomId}` })
    timeline.mark('room_deleted', 'worker', `has deleted the room; ${httpUrl} has nothing of it any more`)
  }
}

async function enrol(actor: 'worker' | 'client', { httpUrl, wsUrl, RTCPeerConnection, timeline }: PlayOptions) {
  const target = actor === 'worker' ? 'client' : 'worker'
  const texts: { readonly [type: string]: string } = {
    offer: `sends its offer, through the server, to the ${target}`,
    answer: `sends its answer to the ${target}`,
    candidate: 'sends the first address at which it may be reached',
  }
  const told = (type: string) =>
    timeline.mark(type === 'candidate' ? `${actor}_candidate` : type, actor, texts[type] ?? type)
  const WebSocket = observedSocket(await webSocket(), told)
  const identity = await signIn(httpUrl)
  return new Parley(httpUrl, { wsUrl, identity, WebSocket, RTCPeerConnection })
}

/** From the offer to an open data channel. */
async function meet(there: Room, here: Room, timeline: Timeline): Promise<void> {
  const arrival = there.once('connection')
  const connection = await here.connect(there.peerId)
  timeline.mark('connected', 'client', 'is connected directly: the server is out of the way')
  const [theirs] = await arrival
  const heard = theirs.once('channel')
  const channel = await connection.open('chat')
  await heard
  timeline.mark(
    'channel_open',
    'client',
    `has a data channel open, ${timeline.between('offer', 'connected')} ms after its offer`,
  )
  channel.close()
}

async function transfer(there: Room, here: Room, { folder, timeline, out }: PlayOptions): Promise<void> {
  const content = randomBytes(megabytes * 1_000_000)
  const path = join(folder, 'demo.bin')
  await writeFile(path, content)
  const inbox = join(folder, 'inbox')
  await mkdir(inbox)

  const kept = new Promise<string>((resolve, reject) => {
    onFile(there, async file => {
      const opening = diskSink(new Parts(inbox), file)
      try {
        await file.save(opening)
        resolve((await opening).path ?? '')
      } catch (error) {
        reject(error)
      }
    })
  })
  kept.catch(() => {})
  const source = await diskSource(path)
  try {
    timeline.mark('file_started', 'client', `sends a file of ${printBytes(source.size)} over another data channel`)
    const shown = new Transfers(out).begin({
      direction: 'sending',
      peer: there.peerId,
      name: source.name,
      size: source.size,
    })
    const receipt = await sendFile(here, there.peerId, source, { onProgress: shown.onProgress, sha256: nodeSha256 })
    shown.kept(receipt)
    timeline.mark('file_sent', 'client', `knows that the worker has all of it`)
    const hash = createHash('sha256')
      .update(await readFile(await kept))
      .digest('hex')
    const expected = createHash('sha256').update(content).digest('hex')
    if (hash !== expected || receipt.sha256 !== expected) {
      throw new Failure('CORRUPTED', 'The file on the disk of the worker is not what was sent.', 'Please report it.')
    }
    timeline.mark('verified', 'worker', `has exactly that file on its disk: SHA-256 ${hash.slice(0, 16)}…`)
  } finally {
    await source.close()
  }
}
