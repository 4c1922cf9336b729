import { SignalingError, toSignalingError } from '@parley/protocol'
import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import { type Log, logFailure } from '../log.ts'
import { headerBytes, longestBody } from './frames.ts'
import type { FrameTypes, Kind, Link, LinkListener } from './link.ts'
import type { Wire, WireUser } from './wire.ts'

/** The type of a frame that says nothing but that this node lives. */
const heartbeatType = 0
const nothing = new Uint8Array()

/** Milliseconds between heartbeats, and after which a link on which nothing came is dead. */
const beatEvery = 1_000
const deadAfter = 5_000

/** The part of the bound that relays may fill. */
const relayShare = 0.75

/** What all links of a node share. */
export interface LinkParts {
  readonly clock: Clock
  readonly log: Log
  readonly types: FrameTypes
  /** Bytes that may wait on one link. */
  readonly bound: number
  readonly listener: LinkListener
}

/** What is known of a link when it begins. */
export interface LinkFacts {
  readonly nodeId: string
  readonly isCaller: boolean
  readonly version: number
}

// A byte order mark is part of the text.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A link over a wire whose handshake is over. */
export class WireLink implements Link, WireUser {
  readonly nodeId: string
  readonly isCaller: boolean
  readonly version: number
  readonly #onClosed: ((reason: string) => void)[] = []
  /** Why it has ended. */
  #reason: string | undefined
  #isDue = false
  #cancelBeat: Cancel = nothingPlanned

  constructor(
    facts: LinkFacts,
    private readonly wire: Wire,
    private readonly parts: LinkParts,
  ) {
    this.nodeId = facts.nodeId
    this.isCaller = facts.isCaller
    this.version = facts.version
    wire.user = this
    wire.trust(longestBody)
    parts.log.info({ node: this.nodeId, isCaller: this.isCaller, version: this.version }, 'link opened')
    this.#planBeat()
  }

  get isOpen(): boolean {
    return this.wire.isOpen
  }

  get waiting(): number {
    return this.wire.outbox.waiting
  }

  send(type: number, handle: number, body: string | Uint8Array, kind: Kind): boolean {
    const form = this.parts.types.get(type)
    if (form !== (typeof body === 'string' ? 'text' : 'bytes')) throw new TypeError(`No frame of type ${type} is so.`)
    if (!this.isOpen) return false
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    if (length > longestBody) throw new SignalingError('MESSAGE_TOO_BIG')
    if (!this.#hasRoom(headerBytes + length, kind)) {
      if (kind === 'answer') this.wire.break('too much waits for it')
      return false
    }
    this.wire.outbox.add(type, handle, body, length)
    if (!this.#isDue) setImmediate(this.#flush)
    this.#isDue = true
    return true
  }

  onClosed(act: (reason: string) => void): void {
    if (this.#reason === undefined) this.#onClosed.push(act)
    else act(this.#reason)
  }

  close(): void {
    this.wire.close('closed by this node')
  }

  /** Ends it at once; what waits is lost. */
  break(reason: string): void {
    this.wire.break(reason)
  }

  frame(type: number, handle: number, body: Buffer): void {
    if (type === heartbeatType) {
      if (handle !== 0 || body.length > 0) this.wire.break('a malformed heartbeat')
      return
    }
    const form = this.parts.types.get(type)
    const read = form === 'text' ? textOf(body) : body
    if (form === undefined) this.wire.break('a frame of an unknown type')
    else if (read === undefined) this.wire.break('text that is not UTF-8')
    else this.guarded(() => this.parts.listener.received(this, type, handle, read))
  }

  ended(reason: string, isFault: boolean): void {
    this.#cancelBeat()
    this.#reason = reason
    const said = { node: this.nodeId, isCaller: this.isCaller, reason }
    if (isFault) this.parts.log.warn(said, 'link broken')
    else this.parts.log.info(said, 'link closed')
    for (const act of this.#onClosed) this.guarded(() => act(reason))
  }

  readonly #flush = (): void => {
    this.#isDue = false
    this.wire.flush()
  }

  #hasRoom(size: number, kind: Kind): boolean {
    const most = kind === 'relay' ? this.parts.bound * relayShare : this.parts.bound
    if (this.waiting + size <= most) return true
    // Much was sent in this turn, of which the socket may take more than waits.
    this.wire.flush()
    return this.isOpen && this.waiting + size <= most
  }

  #planBeat(): void {
    const { clock } = this.parts
    const now = clock.uptime()
    const at = Math.min(now + beatEvery, Math.max(now, this.wire.heardAt + deadAfter))
    this.#cancelBeat = clock.after(at - now, () => this.#beat(clock.uptime() - at))
  }

  /** @param late milliseconds that this comes after its time */
  #beat(late: number): void {
    const { wire } = this
    const now = this.parts.clock.uptime()
    // While this process stood still, nothing was read; what has come is read before the next beat.
    if (late >= beatEvery) wire.heardAt = Math.max(wire.heardAt, now - deadAfter + beatEvery)
    if (now - wire.heardAt >= deadAfter) {
      wire.break(`nothing came for ${deadAfter} ms`)
      return
    }
    // What waits is a sign of life as soon as it can be read.
    if (!wire.hasSent && this.waiting === 0) wire.outbox.add(heartbeatType, 0, nothing, 0)
    wire.flush()
    wire.hasSent = false
    this.#planBeat()
  }

  /** Does what may throw, as a listener's act may: that is logged, and ends nothing. */
  guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      logFailure(this.parts.log, toSignalingError(error), { node: this.nodeId })
    }
  }
}

function textOf(body: Buffer): string | undefined {
  try {
    return utf8.decode(body)
  } catch {
    return undefined
  }
}
