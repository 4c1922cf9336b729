import type { Connection, Room } from '@parley/client'
import type { FileSource } from '@parley/client/files'
import { atMost } from './at-most.ts'
import type { Context } from './command.ts'
import type { Parts } from './files/parts.ts'
import type { Tree } from './files/tree.ts'
import { eachLine } from './lines.ts'
import { type Means, meansOf } from './means.ts'
import { Receiver } from './receiver.ts'
import { connectionNews, tellState } from './room-news.ts'
import { sendTree, type TreeSending } from './send-tree.ts'
import { aborted, stayConnected } from './stay-connected.ts'
import { Transfers } from './transfers.ts'

/** Milliseconds for the other side to take what was sent last. */
const farewellWithin = 3_000

export interface ConversationOptions {
  /** Those of the folder where its files go. */
  readonly parts: Parts
  /** Whether it is a program of the Python server's time, and is to be spoken to as such. */
  readonly isLegacy: boolean
}

/** What goes on between this peer and one other, over as many connections as it takes. */
export class Conversation {
  readonly #means: Means
  readonly #transfers: Transfers
  readonly #receiver: Receiver
  readonly #ending = new AbortController()
  /** How it ends when nobody here ends it: resolves if the other peer has left, and rejects if it is lost for good. */
  readonly #parted: Promise<void>
  /** Resolves when it has ended in either way. */
  readonly #over: Promise<true>
  readonly #offFile: () => void
  /** The other side transfers fewer at a time, so none waits for a round trip; and takes 256, however many are sent. */
  readonly #turn = atMost(32)
  #connection: Connection
  /** Resolves when the connection that is being made is there. */
  #again: Promise<false> = Promise.resolve(false)
  #isThere = () => {}

  private constructor(
    private readonly room: Room,
    connection: Connection,
    { parts, isLegacy }: ConversationOptions,
    private readonly context: Context,
  ) {
    const { out, interruption } = context
    const { signal } = this.#ending
    interruption.signal.addEventListener('abort', () => this.#ending.abort())
    if (interruption.signal.aborted) this.#ending.abort()
    this.#connection = connection
    this.#means = meansOf(room, out, isLegacy)
    this.#transfers = new Transfers(out)
    this.#receiver = new Receiver({ parts, transfers: this.#transfers, signal })
    const tell = connectionNews(out)
    const meet = (connection: Connection) => {
      this.#means.talk.add(connection)
      tell(connection)
    }
    meet(connection)
    room.on('connection', meet)
    this.#offFile = this.#means.onFile(this.#receiver.take)
    this.#parted = stayConnected(room, connection, {
      signal,
      connected: connection => {
        this.#connection = connection
        meet(connection)
        this.#isThere()
        // If it fails, the connection has ended, which is seen to.
        this.#means.talk.open(connection).catch(() => {})
      },
      lost: () => {
        this.#again = new Promise(resolve => {
          this.#isThere = () => resolve(false)
        })
      },
    })
    this.#over = this.#parted.then(
      () => true as const,
      () => true as const,
    )
  }

  /** Connects to that peer. @throws ParleyError */
  static async begin(
    room: Room,
    peerId: string,
    options: ConversationOptions,
    context: Context,
  ): Promise<Conversation> {
    const { out, interruption } = context
    tellState(room, out)
    try {
      const connection = await room.connect(peerId, { signal: interruption.signal })
      return new Conversation(room, connection, options, context)
    } catch (error) {
      room.leave()
      throw error
    }
  }

  /** Says it, as soon as there is a connection. False if there will be none, or it cannot be said. */
  async say(text: string): Promise<boolean> {
    while (!this.#ending.signal.aborted) {
      if ((await this.#means.talk.say(text)) > 0) return true
      if (this.#connection.status === 'connected' || (await Promise.race([this.#over, this.#again]))) return false
    }
    return false
  }

  /** Sends a file, and tells how that goes. Whether the other peer keeps it. */
  async send(source: FileSource): Promise<boolean> {
    const { peerId: peer } = this.#connection
    const { name, size } = source
    const shown = this.#transfers.begin({ direction: 'sending', peer, name, size })
    const options = { signal: this.#ending.signal, onProgress: shown.onProgress }
    try {
      shown.kept(await this.#turn(() => this.#means.sendFile(peer, source, options)))
      return true
    } catch (error) {
      shown.failed(error)
      return false
    }
  }

  /** Sends a folder, and tells how that goes. Whether the other peer keeps all of it that can be sent. */
  sendFolder(tree: Tree): Promise<boolean> {
    const { peerId: peer } = this.#connection
    const { signal } = this.#ending
    const send: TreeSending['send'] = (source, options) => this.#means.sendFile(peer, source, options)
    return sendTree(tree, { peer, transfers: this.#transfers, signal, turn: this.#turn, send })
  }

  /** Resolves when so many files have come from the other side, and are kept or have failed, or it has gone. */
  async comeBack(files: number): Promise<void> {
    await Promise.race([this.#receiver.taken(files), this.#parted.catch(() => {}), aborted(this.#ending.signal)])
  }

  /** Sends what is typed, until there is no more, or the other peer leaves. @throws ParleyError, if it is lost for good */
  async talk(): Promise<void> {
    const { stdin, out } = this.context
    const typing = eachLine({ input: stdin, out, screen: process.stderr }, this.#ending.signal, text => this.say(text))
    await Promise.race([typing, this.#parted])
  }

  /**
   * Ends it, when files that are on their way to this peer are there, and what was said has arrived. False, if that is not
   * certain.
   */
  async end(): Promise<boolean> {
    const { out } = this.context
    await this.#receiver.idle()
    const hasArrived = await this.#means.talk.close(farewellWithin)
    if (!hasArrived) {
      const text = 'What was said last may not have arrived.'
      out.news({ event: 'chat_unconfirmed', message: text }, ({ yellow }) => `${yellow('!')} ${text}`)
    }
    this.#ending.abort()
    this.#offFile()
    this.room.leave()
    this.#connection.close()
    return hasArrived
  }
}
