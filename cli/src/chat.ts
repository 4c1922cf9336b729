import { setTimeout } from 'node:timers/promises'
import type { Connection } from '@parley/client'
import { ParleyError } from '@parley/client'
import { ChatChannel, chatLabel, chatProtocol } from './chat-channel.ts'
import type { Output } from './output.ts'
import { printable, printableLines } from './terminal.ts'

/** What there is with one peer. */
interface Line {
  readonly channels: Set<ChatChannel>
  /** The channel that this side is about to open. */
  opening: Promise<ChatChannel> | undefined
}

/** Text with all peers that one is connected to. */
export class Chat {
  readonly #lines = new Map<Connection, Line>()

  constructor(private readonly out: Output) {}

  /** Takes part in the chat with that peer, from now until the connection ends. */
  add(connection: Connection): void {
    if (this.#lines.has(connection) || connection.status === 'closed') return
    const line: Line = { channels: new Set(), opening: undefined }
    this.#lines.set(connection, line)
    connection.on('channel', channel => {
      if (channel.label === chatLabel && !connection.isPlain) this.#use(channel, false, connection, line)
    })
    connection.on('status', status => {
      if (status === 'closed') this.#lines.delete(connection)
    })
  }

  /** Opens a channel if there is none, so that the other side may speak first. @throws ParleyError CHANNEL_CLOSED */
  async open(connection: Connection): Promise<ChatChannel> {
    const line = this.#lines.get(connection)
    if (!line) throw new ParleyError('CHANNEL_CLOSED', `The connection to ${connection.peerId} has ended.`)
    const [known] = [...line.channels].filter(({ isOpen }) => isOpen)
    if (known) return known
    line.opening ??= connection
      .open(chatLabel, { protocol: chatProtocol })
      .then(channel => this.#use(channel, true, connection, line))
      .finally(() => {
        line.opening = undefined
      })
    return line.opening
  }

  /** Says it to everybody. Resolves with the number of peers that it was sent to, when there is room for more. */
  async say(text: string): Promise<number> {
    const connected = [...this.#lines.keys()].filter(({ status }) => status !== 'connecting' && status !== 'closed')
    const results = await Promise.all(connected.map(connection => this.#sayTo(connection, text)))
    return results.filter(Boolean).length
  }

  /**
   * Nothing more will be said. Resolves when everybody has got what was said; with false, if somebody has not.
   * @param ms after which it is not waited for any more
   */
  async close(ms: number): Promise<boolean> {
    const channels = [...this.#lines.values()].flatMap(({ channels }) => [...channels])
    const confirmed = Promise.all(channels.map(channel => channel.confirm())).then(all => all.every(Boolean))
    return Promise.race([confirmed, setTimeout(ms, false, { ref: false })])
  }

  async #sayTo(connection: Connection, text: string): Promise<boolean> {
    const { peerId } = connection
    try {
      const channel = await this.open(connection)
      await channel.say(text)
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

  #use(channel: RTCDataChannel, isOurs: boolean, { peerId }: Connection, { channels }: Line): ChatChannel {
    const used = new ChatChannel(channel, isOurs, text => this.show(peerId, text))
    channels.add(used)
    channel.addEventListener('close', () => channels.delete(used))
    return used
  }

  /** Shows what a peer has said. */
  show(peer: string, text: string): void {
    const name = printable(peer)
    this.out.data(
      { event: 'chat', peer, text },
      ({ cyan }) => `${cyan(`${name}:`)} ${printableLines(text, ' '.repeat(name.length + 2))}`,
    )
  }
}
