import { ParleyError } from '@parley/client'
import { type FileSource, type Sha256, safeFileName } from '@parley/client/files'
import { nodeSha256 } from '../files/node-sha256.ts'
import { ArrivingFile } from './arriving-file.ts'

/**
 * Files as the programs of the Python server's time exchange them on any data channel: the text `NAME:SIZE`, binary
 * chunks, the text `END_OF_FILE`. The bytes `KEEP_ALIVE` mean nothing and may come at any time. There are no answers, so
 * the sender does not learn what has become of its file, and nothing is resumed.
 */
const endOfFile = 'END_OF_FILE'
const keepAlive = 'KEEP_ALIVE'

/** What deployed programs send at once, and bytes that may wait in the channel. */
const chunkBytes = 16 * 1024
const highWater = 1024 * 1024

export interface LegacySendOptions {
  readonly signal?: AbortSignal | undefined
  /** Is told how many bytes have left. */
  readonly onProgress?: (bytes: number) => void
}

/**
 * Sends a file. Resolves when it has left.
 * @param hash of what has left
 * @throws ParleyError CHANNEL_CLOSED, ABORTED; anything, if the file cannot be read
 */
export async function sendLegacyFile(
  channel: RTCDataChannel,
  source: FileSource,
  hash: Sha256,
  { signal, onProgress }: LegacySendOptions = {},
): Promise<void> {
  channel.bufferedAmountLowThreshold = highWater / 4
  // A colon within would be taken for the one before the size.
  channel.send(`${safeFileName(source.name).replaceAll(':', '_')}:${source.size}`)
  for (let at = 0; at < source.size; at += chunkBytes) {
    if (signal?.aborted) throw new ParleyError('ABORTED', 'The sender has cancelled the file.')
    const chunk = await source.read(at, Math.min(chunkBytes, source.size - at))
    await isBelow(channel, highWater)
    channel.send(chunk)
    hash.update(chunk)
    onProgress?.(at + chunk.length)
  }
  channel.send(endOfFile)
  channel.bufferedAmountLowThreshold = 0
  // Whoever closes the channel right away would take what is still in it along.
  await isBelow(channel, 0)
}

/** Resolves when no more than `bytes`, or the threshold, wait in the channel. @throws ParleyError CHANNEL_CLOSED */
async function isBelow(channel: RTCDataChannel, bytes: number): Promise<void> {
  const closed = () => new ParleyError('CHANNEL_CLOSED', 'The data channel was closed.')
  if (channel.readyState !== 'open') throw closed()
  if (channel.bufferedAmount <= bytes) return
  const settled = new AbortController()
  const { signal } = settled
  try {
    await new Promise<void>((resolve, reject) => {
      channel.addEventListener('bufferedamountlow', () => resolve(), { signal })
      channel.addEventListener('close', () => reject(closed()), { signal })
    })
  } finally {
    settled.abort()
  }
}

export interface LegacyListener {
  file(file: ArrivingFile): void
  /** Text that has nothing to do with files. */
  text(text: string): void
}

/** Takes the files that arrive on a channel of that peer, and hands on what else does. */
export function receiveLegacyFiles(peerId: string, channel: RTCDataChannel, listener: LegacyListener): void {
  let file: ArrivingFile | undefined
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
    const mark = typeof data === 'string' ? data : shortText(data)
    if (mark === keepAlive) return
    if (mark === endOfFile && file) {
      void file.end()
      file = undefined
    } else if (typeof data !== 'string') {
      file?.push(new Uint8Array(data))
    } else {
      const [, name, size] = /^(.+):(\d{1,15})$/.exec(data) ?? []
      if (file || name === undefined) listener.text(data)
      else {
        file = new ArrivingFile(peerId, safeFileName(name), Number(size), nodeSha256())
        listener.file(file)
      }
    }
  })
  channel.addEventListener('close', () => file?.fail('The data channel was closed before the file was complete.'))
}

/** A mark, which some programs send as bytes; nothing longer is read as text. */
const shortText = (data: ArrayBuffer): string =>
  data.byteLength === keepAlive.length || data.byteLength === endOfFile.length ? new TextDecoder().decode(data) : ''
