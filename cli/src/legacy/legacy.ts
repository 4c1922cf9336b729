import type { Connection } from '@parley/client'
import type { FileReceipt, FileSource, TransferOptions } from '@parley/client/files'
import { nodeSha256 } from '../files/node-sha256.ts'
import type { TakenFile } from '../means.ts'
import { receiveLegacyFiles, sendLegacyFile } from './legacy-files.ts'

/** What deployed programs call their one channel. Those that answer take any. */
const legacyLabel = 'my-data-channel'

export interface LegacyListener {
  file(file: TakenFile): void
  text(peerId: string, text: string): void
}

/** Files and text with peers of the Python server's time, which have one channel for all of it. */
export class Legacy {
  readonly #channels = new Map<Connection, Promise<RTCDataChannel>>()
  /** Files go one after the other, as there is nothing that would tell them apart. */
  #sending: Promise<unknown> = Promise.resolve()

  constructor(private readonly listener: LegacyListener) {}

  /** Takes what such a peer sends, on whatever channel it opens. */
  add(connection: Connection): void {
    connection.on('channel', channel => {
      if (connection.isPlain) this.#channels.set(connection, Promise.resolve(this.#use(connection, channel)))
    })
    connection.on('status', status => {
      if (status === 'closed') this.#channels.delete(connection)
    })
  }

  /** The one channel. @throws ParleyError CHANNEL_CLOSED */
  open(connection: Connection): Promise<RTCDataChannel> {
    const opening =
      this.#channels.get(connection) ?? connection.open(legacyLabel).then(channel => this.#use(connection, channel))
    this.#channels.set(connection, opening)
    return opening
  }

  /**
   * Sends a file. Resolves when it has left, since nobody there confirms it.
   * @throws ParleyError CHANNEL_CLOSED, ABORTED; anything, if the file cannot be read
   */
  send(connection: Connection, source: FileSource, { signal, onProgress }: TransferOptions): Promise<FileReceipt> {
    const { name, size } = source
    const sent = this.#sending.then(async () => {
      const hash = nodeSha256()
      const channel = await this.open(connection)
      await sendLegacyFile(channel, source, hash, {
        signal,
        onProgress: bytes => onProgress?.({ status: 'transferring', bytes, size }),
      })
      return { name, size, sha256: hash.hex() }
    })
    this.#sending = sent.catch(() => {})
    return sent
  }

  /** Says it to everybody. Resolves with the number of peers that it was sent to. */
  async say(text: string): Promise<number> {
    const channels = await Promise.all(this.#channels.values())
    const open = channels.filter(({ readyState }) => readyState === 'open')
    for (const channel of open) channel.send(text)
    return open.length
  }

  #use(connection: Connection, channel: RTCDataChannel): RTCDataChannel {
    const { file, text } = this.listener
    receiveLegacyFiles(connection.peerId, channel, { file, text: said => text(connection.peerId, said) })
    return channel
  }
}
