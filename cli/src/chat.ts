import { setTimeout } from 'node:timers/promises'
import type { Connection } from '@parley/client'
import { ParleyError } from '@parley/client'
import type { Output } from './output.ts'
import { printable, printableLines } from './terminal.ts'

/** Text between peers goes over a data channel of this label: one message for each text. */
export const chatLabel = 'chat'

/** Characters that may wait to be sent before more is read. */
const highWater = 1024 * 1024

/** What there is with one peer. */
interface Line {
  readonly channels: Set<RTCDataChannel>
  /** The channel that this side is opening or has opened last. */
  opening: Promise<RTCDataChannel> | undefined
}

/** Text with all peers that one is connected to. */
export class Chat {
  readonly #lines = new Map<Connection, Line>()

  constructor(private readonly out: Output) {}

  /** Takes part in the chat with that peer, from now until the connection ends. */
  add(connection: Connection): void {
    if (this.#lines.has(connection) || connection.status === 'closed') return
    this.#lines.set(connection, { channels: new Set(), opening: undefined })
    connection.on('channel', channel => {
      if (channel.label === chatLabel) this.#listen(connection, channel)
    })
    connection.on('status', status => {
      if (status === 'closed') this.#lines.delete(connection)
    })
  }

  /** Opens a channel if there is none, so that the other side may speak first. @throws ParleyError CHANNEL_CLOSED */
  async open(connection: Connection): Promise<RTCDataChannel> {
    const line = this.#lines.get(connection)
    const [known] = [...(line?.channels ?? [])].filter(({ readyState }) => readyState === 'open')
    if (known) return known
    const opening = line?.opening ?? connection.open(chatLabel)
    if (line) line.opening = opening
    try {
      const channel = await opening
      this.#listen(connection, channel)
      return channel
    } finally {
      if (line) line.opening = undefined
    }
  }

  /** Says it to everybody. Resolves with the number of peers that it was sent to. */
  async say(text: string): Promise<number> {
    const connected = [...this.#lines.keys()].filter(({ status }) => status !== 'connecting' && status !== 'closed')
    const results = await Promise.all(connected.map(connection => this.#sayTo(connection, text)))
    return results.filter(Boolean).length
  }

  /**
   * Nothing more will be said. Resolves when all that was said has arrived, which includes what other channels have sent.
   * @param ms after which it is not waited for any more
   */
  async close(ms: number): Promise<void> {
    const channels = [...this.#lines.values()].flatMap(({ channels }) => [...channels])
    const closed = channels.map(
      channel =>
        new Promise<void>(resolve => {
          if (channel.readyState === 'closed') return resolve()
          channel.addEventListener('close', () => resolve(), { once: true })
          // The other side learns of the end behind everything that was sent before, and answers it.
          channel.close()
        }),
    )
    await Promise.race([Promise.all(closed), setTimeout(ms, undefined, { ref: false })])
  }

  async #sayTo(connection: Connection, text: string): Promise<boolean> {
    const { peerId } = connection
    try {
      const channel = await this.open(connection)
      channel.send(text)
      await drained(channel)
      return true
    } catch (error) {
      const code = error instanceof ParleyError ? error.code : 'NOT_SENT'
      const message = error instanceof Error ? error.message : String(error)
      this.out.news(
        { event: 'chat_failed', peer: peerId, code, message },
        ({ yellow }) => `${yellow('!')} That did not reach ${printable(peerId)}: ${printable(message)}`,
      )
      return false
    }
  }

  #listen(connection: Connection, channel: RTCDataChannel): void {
    const channels = this.#lines.get(connection)?.channels
    if (!channels || channels.has(channel)) return
    channels.add(channel)
    channel.addEventListener('close', () => channels.delete(channel))
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') this.#show(connection.peerId, data)
    })
  }

  #show(peer: string, text: string): void {
    const name = printable(peer)
    this.out.data(
      { event: 'chat', peer, text },
      ({ cyan }) => `${cyan(`${name}:`)} ${printableLines(text, ' '.repeat(name.length + 2))}`,
    )
  }
}

/** Resolves when not much waits in the channel any more, or nothing ever will. */
async function drained(channel: RTCDataChannel): Promise<void> {
  if (channel.bufferedAmount <= highWater || channel.readyState !== 'open') return
  channel.bufferedAmountLowThreshold = highWater / 4
  const settled = new AbortController()
  await new Promise<void>(resolve => {
    for (const event of ['bufferedamountlow', 'close']) {
      channel.addEventListener(event, () => resolve(), { signal: settled.signal })
    }
  })
  settled.abort()
}
