import {
  decode,
  type Feature,
  type PeerMessage,
  type Register,
  type Resume,
  requestIdOf,
  type ServerMessageOf,
  SignalingError,
  toSignalingError,
} from '@parley/protocol'
import type { Client } from '../client.ts'
import { countError } from '../metrics.ts'
import type { Entrant } from '../rooms/peer-session.ts'
import type { Peer } from '../rooms/room.ts'
import { ServedElsewhere } from '../rooms/served-elsewhere.ts'
import { workOfEntering, workOfText } from '../work-budget.ts'
import { type Frame, isRequest, textOf } from './frames.ts'
import { refuse } from './refusals.ts'
import { Session } from './session.ts'
import type { SessionConnection } from './session-connection.ts'
import type { SessionParts } from './session-parts.ts'
import type { Outlet, Voice } from './voice.ts'

/** A connection that may be given a session. */
export interface ArrivingConnection extends SessionConnection, Outlet {
  readonly session: Session | undefined
  /** What has come and waits is handled, unless it has to wait for something else. */
  resumeReading(): void
  /** From now on it is that of `session`. */
  adopt(session: Session): void
  /** Refuses a frame that came after it was closed, if that is to be answered. */
  turnAway(frame: Frame): void
  /** Has the node handle the frame, and all that comes after it. @throws SignalingError UNAVAILABLE if it cannot be reached */
  carry(node: string, frame: Frame): Promise<void>
}

/** How a connection comes to its session: by `register`, or by `resume`. What else comes before is refused. */
export class Arrival implements Entrant {
  /** The `register` that is being answered. */
  registering: Register | undefined
  /** Its time to register is over. */
  #isOverdue = false
  /** The session of the peer that is about to enter. */
  #next: Session | undefined

  constructor(
    private readonly connection: ArrivingConnection,
    private readonly voice: Voice,
    private readonly parts: SessionParts,
  ) {}

  get address(): string | undefined {
    return this.connection.client.address
  }

  get open(): boolean {
    return this.connection.open
  }

  get peer(): Peer | undefined {
    return this.connection.session?.peer
  }

  openSession(features: ReadonlySet<Feature>): Session {
    this.#next = new Session(this.connection, this.voice, features, this.parts)
    return this.#next
  }

  welcome(peer: Peer, reply: string, conflict?: ServerMessageOf<'admin_conflict'>): void {
    const { connection, voice } = this
    const next = this.#next
    if (!next) return
    const isAgain = connection.session !== undefined
    connection.session?.supersede()
    next.begin(peer)
    if (this.registering) voice.speakAs(this.registering)
    connection.adopt(next)
    // Not counted by the session.
    voice.outlet = connection
    if (conflict) voice.answer(conflict)
    voice.answerWith(reply)
    if (!connection.open) return
    voice.outlet = next
    next.startCounting()
    this.parts.budget.charge(next.payer, isAgain ? workOfText(reply.length) : workOfEntering(reply.length))
  }

  /** Never throws. */
  receive(frame: Frame): void {
    if (Buffer.byteLength(frame) > this.parts.limits.unregisteredMessageBytes) {
      this.connection.fail(new SignalingError('MESSAGE_TOO_BIG', 'Register before you send a message of this size.'))
      // If it is a request, it has its answer.
      this.connection.turnAway(frame)
      return
    }
    let message: PeerMessage | undefined
    try {
      message = decode(textOf(frame), this.parts.limits.peerIdLength)
      if (message.type === 'register') void this.register(message, frame)
      else if (message.type === 'resume') void this.#resume(message, frame)
      else {
        if (this.voice.hasAcks) isRequest(message)
        throw new SignalingError('NOT_IN_ROOM')
      }
    } catch (error) {
      this.#refuse(error, message)
    }
  }

  /** Never rejects. What comes meanwhile waits, so that an `offer` right behind `register` finds its sender registered. */
  async register(message: Register, frame: Frame): Promise<void> {
    const { connection, voice } = this
    connection.incoming.pause()
    this.registering = message
    if (!connection.session) voice.speakAs(message)
    const { rooms, guesses } = this.parts
    try {
      if (message.features.includes('acks')) isRequest(message)
      await guesses.attempt(connection, connection.client.limitKey, () =>
        elsewhere(rooms.join(message, this), node => connection.carry(node, frame)),
      )
    } catch (error) {
      this.registering = undefined
      // Otherwise it was refused when the connection was closed, or the peer sends it again, as the connection broke.
      if (connection.open) this.#refuse(error, message)
      if (this.#isOverdue && !connection.session) connection.close(new SignalingError('REGISTER_TIMEOUT'))
    }
    connection.resumeReading()
  }

  get client(): Client {
    return this.connection.client
  }

  /** The connection is closed, as a newer one needs its place. */
  makeWay(reason: SignalingError): void {
    countError(this.parts.metrics, reason.code)
    this.connection.close(reason)
  }

  /** The other end has not registered in time. */
  expectRegister(): void {
    this.#isOverdue = true
    if (!this.registering) this.connection.fail(new SignalingError('REGISTER_TIMEOUT'))
  }

  /** Never rejects. */
  async #resume(message: Resume, frame: Frame): Promise<void> {
    const { connection } = this
    connection.incoming.pause()
    try {
      await this.parts.guesses.attempt(connection, connection.client.limitKey, () =>
        elsewhere(this.#goOn(message), node => connection.carry(node, frame)),
      )
    } catch (error) {
      const failure = toSignalingError(error)
      // A wrong token has been counted as such. Whether it is wrong, or the session is no more, is nobody's business.
      this.#refuse(failure.code === 'INVALID_ROOM_TOKEN' ? new SignalingError('RESUME_FAILED') : failure, message)
    }
    connection.resumeReading()
  }

  /** @throws SignalingError; ServedElsewhere */
  async #goOn(message: Resume): Promise<void> {
    const { connection, parts } = this
    const peer = await parts.rooms.find(message.room_id, message.peer_id)
    if (!connection.open) return
    if (!(peer?.session instanceof Session)) throw new SignalingError('RESUME_FAILED')
    const { session } = peer
    const requestId = requestIdOf(message)
    session.resume(connection, message.token, message.received, received => {
      connection.adopt(session)
      return JSON.stringify({
        type: 'resumed',
        room_id: peer.room.id,
        peer_id: peer.id,
        received,
        session: session.grant,
        expires_at: peer.room.record?.expires_at ?? null,
        ...(requestId !== undefined && { request_id: requestId }),
      })
    })
    parts.budget.charge(session.payer, workOfEntering(0))
  }

  #refuse(error: unknown, message: PeerMessage | undefined): void {
    const { connection } = this
    if (connection.session) connection.session.inbound.refuse(error, message)
    else refuse(error, message, this.voice, connection, this.parts)
  }
}

/** The outcome of `act`, or of `carry` where another node is the one to ask. */
async function elsewhere(act: Promise<void>, carry: (node: string) => Promise<void>): Promise<void> {
  try {
    await act
  } catch (error) {
    if (!(error instanceof ServedElsewhere)) throw error
    await carry(error.node)
  }
}
