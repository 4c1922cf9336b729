import type { ServerMessage } from '@parley/protocol'
import { pauseBefore } from './backoff.ts'
import { Emitter } from './emitter.ts'
import { ParleyError } from './errors.ts'
import { renew, withToken } from './identity.ts'
import type { ConnectionState, IncomingSignal, Outgoing } from './messages.ts'
import { onOnline } from './page-events.ts'
import type { PlaceHolder } from './places.ts'
import { Requests } from './requests.ts'
import { asParleyError, errorOf, left, mayPass } from './server-errors.ts'
import { openSocket, type ServerSocket } from './server-socket.ts'
import { Session } from './session.ts'
import type { SignalingEvents, SignalingOptions } from './signaling-types.ts'

/**
 * The connection of one peer to the server: registered, and again whenever it breaks. Each request has exactly one
 * outcome. Those made while the connection is away wait for it, in order.
 */
export class Signaling extends Emitter<SignalingEvents> implements PlaceHolder {
  readonly over = this.once('state', ({ status }) => status === 'closed').then(() => this.#released)
  /** Nobody sees it before the first attempt is over. */
  #state: ConnectionState = { status: 'reconnecting', attempt: 1, retryAt: 0, error: left() }
  #socket: ServerSocket | undefined
  #isTrying = false
  #attempt = 0
  /** That of the last registration. */
  readonly #session = new Session()
  #cancelPause = () => {}
  /** Ends the current attempt. */
  #refuse: (error: ParleyError) => void = () => {}
  #released = Promise.resolve()
  /** Why it will not register again. */
  #retirement: ParleyError | undefined
  readonly #requests = new Requests()
  readonly #offOnline = onOnline(() => (this.#state.status === 'connected' ? this.#socket?.test() : this.#retry()))

  constructor(private readonly options: SignalingOptions) {
    super()
  }

  /**
   * Connects and registers. There is one attempt: of what has never worked nobody knows whether it will.
   * @throws ParleyError
   */
  async open(): Promise<void> {
    await this.#try().catch(cause => {
      const error = asParleyError(cause)
      this.#end(error)
      throw error
    })
  }

  get state(): ConnectionState {
    return this.#state
  }

  /**
   * The answer to a message: its reply in docs/protocol.md, or `ack`.
   * @throws ParleyError with the server's code; MESSAGE_TOO_BIG; LEFT; DISCONNECTED if the connection broke before the
   *   answer came, and the session did not go on: then nobody knows whether the message has arrived
   */
  request(message: Outgoing): Promise<ServerMessage> {
    const state = this.#state
    if (state.status === 'closed') return Promise.reject(state.error ?? left())
    // Somebody waits, so the first attempt does not, unless the server has asked for that.
    if (state.status === 'reconnecting' && state.attempt < 2 && !state.error.retryAfter) this.#retry()
    return this.#requests.make(message)
  }

  /** Leaves the room. What has no answer yet is rejected with LEFT. */
  close(): void {
    // The room may have been over before; now whatever else there is ends, too.
    if (this.#state.status === 'closed' && this.#state.error) this.#become({ status: 'closed' })
    else this.#end()
  }

  /**
   * Another one wants to be this peer. If it is registered, the server ends this one when it has let that one in, and tells
   * the others what has happened. If it is not, it must not be by then, so it ends at once. Resolves when it cannot be.
   */
  replaced(error: ParleyError): Promise<void> {
    if (this.#state.status === 'connected') this.#retirement = error
    else this.#end(error)
    return this.#released
  }

  /** The other one has not come in. */
  kept(): void {
    this.#retirement = undefined
  }

  /** One attempt, which ends with the peer registered. @throws ParleyError */
  async #try(): Promise<void> {
    this.#isTrying = true
    this.#attempt++
    try {
      await withToken(this.options.identity, idToken => this.#connect(idToken))
    } finally {
      this.#isTrying = false
    }
  }

  /** Resolves when the peer is registered, or its session goes on. From then on the end of the connection is told to `#lost`. @throws ParleyError */
  async #connect(idToken: string): Promise<void> {
    if (this.#state.status === 'closed') throw this.#state.error ?? left()
    const { registration, clock } = this.options
    // One that the server wants to be rid of is in use until this one is open.
    const before = this.#socket
    await new Promise<void>((resolve, reject) => {
      this.#refuse = reject
      const take = () => {
        this.#abandon()
        this.#socket = socket
      }
      const send = (message: object) => socket.send(JSON.stringify(message))
      // The request_ids of all others are numbers.
      const register = () => send({ ...registration(), type: 'register', id_token: idToken, request_id: 'register' })
      const fail = (error: ParleyError) => {
        const wasReady = this.#requests.send
        // Of no effect on one that was registered.
        reject(error)
        if (this.#socket !== socket) return void socket.close()
        this.#abandon()
        if (wasReady) this.#lost(error)
      }
      const heard = (message: ServerMessage | IncomingSignal) => {
        if (this.#session.grant && this.#requests.send) this.#session.received++
        switch (message.type) {
          case 'registered_auth':
          case 'resumed':
            this.#attempt = 0
            this.#session.hold(message.session)
            this.#requests.attach(socket.send, (message as { received?: number }).received)
            if (this.#state.status !== 'connected') this.#become({ status: 'connected' })
            if (message.type === 'registered_auth') this.emit('registered', message)
            return resolve()
          case 'error':
            if (message.code === 'RESUME_FAILED') {
              this.#endSession(errorOf(message))
              return register()
            }
            // The answer to nothing: the room has ended.
            if (message.request_id === 'register' || (!message.request_id && message.code === 'ROOM_EXPIRED'))
              return fail(errorOf(message))
            return this.#requests.answered(message.request_id)?.reject(errorOf(message))
          case 'bye':
            // The session is over. What has no answer yet is answered until the end.
            return this.#session.hold()
          case 'go_away':
            return void clock.after(message.reconnect_after_ms, () => socket === this.#socket && this.#tryAgain())
          case 'token_expiring':
            return renew(this.options.identity, id_token => this.request({ type: 'renew', id_token }))
          default: {
            // A signal is what another peer has put into it.
            const id = 'sender' in message ? undefined : 'request_id' in message && message.request_id
            if (id) this.#requests.answered(id)?.resolve(message as ServerMessage)
            else this.emit('message', message)
          }
        }
      }
      const socket = openSocket(this.options, {
        opened: () => {
          if (this.#socket !== (before ?? socket)) return fail(left())
          if (before) take()
          const { grant, received } = this.#session
          if (!grant) return register()
          const { room_id, peer_id } = registration()
          send({ type: 'resume', room_id, peer_id, token: grant.token, received })
        },
        heard,
        failed: fail,
        // Short whatever the size of the room: nobody has one of no tags. If it is lost, that is seen elsewhere.
        ask: () => void this.request({ type: 'discover_peers', filters: { tags: [] } }).catch(() => {}),
      })
      if (!before) take()
    })
  }

  #retry(): void {
    if (!this.#isTrying && this.#state.status === 'reconnecting') this.#tryAgain()
  }

  /** Also while the connection is still in use that the server wants to be rid of. */
  #tryAgain(): void {
    this.#try().catch(error => {
      if (this.#state.status === 'reconnecting') this.#lost(asParleyError(error))
      else this.#attempt = 0
    })
  }

  /** A registered connection, or an attempt to have one again, has failed. */
  #lost(error: ParleyError): void {
    if (this.#state.status === 'closed') return
    if (this.#retirement || !mayPass(error)) return void this.#end(this.#retirement ?? error)
    const { clock, random } = this.options
    const attempt = this.#attempt + 1
    // Somebody waits whose request may still be answered: at once, the first time.
    const isUrgent = attempt < 2 && this.#session.grant && this.#requests.unanswered
    const pause = Math.max(isUrgent ? 0 : pauseBefore(attempt, random()), (error.retryAfter ?? 0) * 1000)
    this.#become({ status: 'reconnecting', attempt, retryAt: clock.now() + pause, error })
    this.#session.expire(clock, () => this.#endSession(error))
    this.#cancelPause = clock.after(pause, () => this.#retry())
  }

  /** What was sent on it and has no answer may have arrived or not. */
  #endSession(cause: ParleyError): void {
    this.#session.hold()
    this.#requests.rejectSent(
      new ParleyError('DISCONNECTED', 'The connection was lost before the answer came.', { cause }),
    )
  }

  #end(error?: ParleyError): void {
    if (this.#state.status === 'closed') return
    this.#offOnline()
    this.#session.hold()
    this.#abandon(1000)
    const why = error ?? left()
    this.#refuse(why)
    this.#become({ status: 'closed', error })
    this.#requests.rejectAll(why)
  }

  /** Lets go of the socket. @param code that says whether the peer leaves the room with it */
  #abandon(code?: number): void {
    if (this.#socket) this.#released = this.#socket.close(code)
    this.#socket = undefined
    this.#requests.send = undefined
  }

  #become(state: ConnectionState): void {
    this.#cancelPause()
    this.#state = state
    this.emit('state', state)
  }
}
