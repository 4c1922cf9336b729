import { ParleyError } from '@parley/client'
import { type FileReceipt, type FileSink, type FileSource, type Sha256, safeFileName } from '@parley/client/files'

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

/** @param onProgress is told how many bytes have left @throws ParleyError CHANNEL_CLOSED; anything, if the file cannot be read */
export async function sendLegacyFile(
  channel: RTCDataChannel,
  source: FileSource,
  onProgress: (bytes: number) => void = () => {},
): Promise<void> {
  channel.bufferedAmountLowThreshold = highWater / 4
  // A colon within would be taken for the one before the size.
  channel.send(`${safeFileName(source.name).replaceAll(':', '_')}:${source.size}`)
  for (let at = 0; at < source.size; at += chunkBytes) {
    const chunk = await source.read(at, Math.min(chunkBytes, source.size - at))
    await isBelow(channel, highWater)
    channel.send(chunk)
    onProgress(at + chunk.length)
  }
  channel.send(endOfFile)
  channel.bufferedAmountLowThreshold = 0
  // Whoever closes the channel right away would take what is still in it along.
  await isBelow(channel, 0)
}

/** Resolves when no more than `bytes`, or the threshold, wait in the channel. @throws ParleyError CHANNEL_CLOSED */
async function isBelow(channel: RTCDataChannel, bytes: number): Promise<void> {
  if (channel.readyState !== 'open') throw new ParleyError('CHANNEL_CLOSED', 'The data channel was closed.')
  if (channel.bufferedAmount <= bytes) return
  const settled = new AbortController()
  try {
    await new Promise<void>((resolve, reject) => {
      const { signal } = settled
      channel.addEventListener('bufferedamountlow', () => resolve(), { signal })
      channel.addEventListener(
        'close',
        () => reject(new ParleyError('CHANNEL_CLOSED', 'The data channel was closed.')),
        {
          signal,
        },
      )
    })
  } finally {
    settled.abort()
  }
}

export interface LegacyListener {
  /** Opens where a file goes. */
  open(name: string, size: number): Promise<FileSink>
  sha256(): Sha256
  kept(file: FileReceipt): void
  /** The sender has no way to be told. */
  failed(name: string, error: ParleyError): void
  /** Text that has nothing to do with files. */
  text(text: string): void
}

interface Arriving {
  readonly name: string
  readonly size: number
  readonly hash: Sha256
  received: number
  /** What is to be done with it, one after the other; rejects once something could not be done. */
  work: Promise<FileSink>
}

/** Takes the files that arrive on a channel, and hands on what else does. */
export function receiveLegacyFiles(channel: RTCDataChannel, listener: LegacyListener): void {
  let file: Arriving | undefined
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
    const mark = typeof data === 'string' ? data : shortText(data)
    if (mark === keepAlive) return
    if (mark === endOfFile && file) {
      void conclude(file, listener)
      file = undefined
    } else if (typeof data !== 'string') {
      if (file) append(file, new Uint8Array(data))
    } else {
      const [, name, size] = /^(.+):(\d{1,15})$/.exec(data) ?? []
      if (!file && name !== undefined) file = begin(safeFileName(name), Number(size), listener)
      else listener.text(data)
    }
  })
  channel.addEventListener('close', () => {
    if (file) void abandon(file, listener, 'The data channel was closed before the file was complete.')
    file = undefined
  })
}

/** A mark, which some programs send as bytes; nothing longer is read as text. */
const shortText = (data: ArrayBuffer): string =>
  data.byteLength === keepAlive.length || data.byteLength === endOfFile.length ? new TextDecoder().decode(data) : ''

function begin(name: string, size: number, listener: LegacyListener): Arriving {
  return { name, size, hash: listener.sha256(), received: 0, work: listener.open(name, size) }
}

function append(file: Arriving, chunk: Uint8Array<ArrayBuffer>): void {
  file.received += chunk.length
  // Beyond what was announced nothing is written: the end will show it.
  if (file.received > file.size) return
  file.hash.update(chunk)
  file.work = file.work.then(async sink => {
    await sink.write(chunk)
    return sink
  })
  // It is told at the end.
  file.work.catch(() => {})
}

async function conclude(file: Arriving, listener: LegacyListener): Promise<void> {
  const { size, received, hash } = file
  if (received !== size) {
    await abandon(file, listener, `${received} bytes arrived instead of ${size}.`)
    return
  }
  try {
    const sink = await file.work
    listener.kept({ name: await sink.finish(), size, sha256: hash.hex() })
  } catch (cause) {
    await abandon(file, listener, cause instanceof Error ? cause.message : String(cause))
  }
}

async function abandon(file: Arriving, listener: LegacyListener, sentence: string): Promise<void> {
  const error = new ParleyError('FILE_FAILED', sentence)
  await file.work.then(sink => sink.abort(error)).catch(() => {})
  listener.failed(file.name, error)
}
