import type { Bye, ServerMessage, SessionGrant } from '@parley/protocol'
import { pauseBefore } from './backoff.ts'
import { closeSocket } from './close-socket.ts'
import { Emitter } from './emitter.ts'
import { ParleyError } from './errors.ts'
import { withToken } from './identity.ts'
import type { ConnectionState, IncomingSignal, Outgoing } from './messages.ts'
import { onOnline } from './page-events.ts'
import type { PlaceHolder } from './places.ts'
import { Requests } from './requests.ts'
import { asParleyError, byeError, closeError, errorOf, left } from './server-errors.ts'
import type { SignalingEvents, SignalingOptions } from './signaling-types.ts'

/** Milliseconds from the start of an attempt to the answer to `register`; the server itself answers within 5 s. */
const registerWithin = 15_000

/** Milliseconds without a message after which a connection is tested, and that the test may take. */
const testAfter = 20_000
const answerWithin = 10_000

/** The request_id of `register`; those of all other requests are numbers. */
const registerId = 'register'

/** Errors of `register` that pass by themselves, although the table calls them final: a connection that died counts for a while. */
const passing: readonly string[] = ['PEER_ID_TAKEN', 'INTERNAL']

/**
 * The connection of one peer to the server: registered, and again whenever it breaks. Each request has exactly one
 * outcome. Those made while the connection is away wait for it, in order.
 */
export class Signaling extends Emitter<SignalingEvents> implements PlaceHolder {
  readonly over: Promise<void>
  #tellOver = () => {}
  /** Nobody sees it before the first attempt is over. */
  #state: ConnectionState = { status: 'reconnecting', attempt: 1, retryAt: 0, error: left() }
  #socket: WebSocket | undefined
  #isTrying = false
  #attempt = 0
  #heardAt = 0
  /** What is sent goes out: the peer is registered, and its session is that of the socket. */
  #isReady = false
  /** That of the last registration, as long as it may go on. */
  #session: SessionGrant | undefined
  /** Frames of this session that have come. */
  #received = 0
  #cancelSession: (() => void) | undefined
  #cancelTimer = () => {}
  /** Gives the current socket up. */
  #fail: (error: ParleyError) => void = () => {}
  /** Ends the current attempt. */
  #refuse: (error: ParleyError) => void = () => {}
  #released = Promise.resolve()
  /** Why it will not register again. */
  #retirement: ParleyError | undefined
  readonly #requests = new Requests()
  readonly #offOnline = onOnline(() => (this.#state.status === 'connected' ? this.#test() : this.#retry()))

  constructor(private readonly options: SignalingOptions) {
    super()
    this.over = new Promise(resolve => {
      this.#tellOver = resolve
    })
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
    if (state.status === 'connected') return this.#requests.make(message, this.#isReady ? this.#send : undefined)
    // Somebody waits, so the first attempt does not, unless the server has asked for that.
    if (state.attempt < 2 && !state.error.retryAfter) this.#retry()
    return this.#requests.make(message)
  }

  /** Leaves the room. What has no answer yet is rejected with LEFT. */
  close(): void {
    // The room may have been over before; now whatever else there is ends, too.
    if (this.#state.status === 'closed' && this.#state.error) this.#become({ status: 'closed' })
    else this.#end(undefined)
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

  readonly #send = (text: string): void => this.#socket?.send(text)

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
    const { WebSocket, wsUrl, registration, clock } = this.options
    const socket = new WebSocket(wsUrl)
    // One that the server wants to be rid of is in use until this one is open.
    const before = this.#socket
    await new Promise<void>((resolve, reject) => {
      this.#refuse = reject
      let bye: Bye | undefined
      const fail = (error: ParleyError) => {
        const isReady = this.#isReady
        if (this.#socket !== socket) return reject(error)
        this.#abandon()
        if (isReady) this.#lost(error)
        else reject(error)
      }
      /** From here on this is the socket. */
      const take = () => {
        this.#abandon()
        this.#socket = socket
        this.#fail = fail
        this.#plan(registerWithin, () => fail(new ParleyError('TIMEOUT', `${wsUrl} does not answer.`)))
      }
      const send = (message: object) => socket.send(JSON.stringify(message))
      const register = () => send({ ...registration(), type: 'register', id_token: idToken, request_id: registerId })
      if (!before) take()
      socket.onopen = () => {
        if (this.#socket !== (before ?? socket)) return socket.close()
        if (before) take()
        if (!this.#session) return register()
        const { room_id, peer_id } = registration()
        send({ type: 'resume', room_id, peer_id, token: this.#session.token, received: this.#received })
      }
      socket.onclose = ({ code, reason }) => fail(bye ? byeError(bye) : closeError(wsUrl, code, reason, !this.#isReady))
      // It says nothing of the cause, and a close event follows.
      socket.onerror = () => {}
      socket.onmessage = ({ data }) => {
        this.#heardAt = clock.now()
        if (this.#isReady) this.#received++
        const message: ServerMessage | IncomingSignal = JSON.parse(String(data))
        switch (message.type) {
          case 'registered_auth':
          case 'resumed':
            this.#attempt = 0
            this.#isReady = true
            this.#hold(message.session)
            this.#watch()
            this.#requests.attach(this.#send, 'received' in message ? message.received : undefined)
            if (this.#state.status !== 'connected') this.#become({ status: 'connected' })
            if (message.type === 'registered_auth') {
              this.#received = 0
              this.emit('registered', message)
            }
            this.#requests.flush(this.#send)
            return resolve()
          case 'error':
            if (message.code === 'RESUME_FAILED') {
              this.#endSession(errorOf(message))
              return register()
            }
            // The answer to nothing: the room has ended.
            if (message.request_id === registerId || (!message.request_id && message.code === 'ROOM_EXPIRED'))
              return fail(errorOf(message))
            return this.#requests.answered(message.request_id)?.reject(errorOf(message))
          case 'bye':
            bye = message
            // The session is over. What has no answer yet is answered until the end.
            return this.#hold(undefined)
          case 'go_away':
            return void clock.after(message.reconnect_after_ms, () => socket === this.#socket && this.#tryAgain())
          case 'token_expiring':
            return this.#renew()
          default: {
            // A signal is what another peer has put into it.
            const id = 'sender' in message ? undefined : 'request_id' in message && message.request_id
            if (id) this.#requests.answered(id)?.resolve(message as ServerMessage)
            else this.emit('message', message)
          }
        }
      }
    })
  }

  /** A connection can die without a word, as when the network has changed; a page does not see the server's pings. */
  #watch(): void {
    const { clock } = this.options
    this.#plan(this.#heardAt + testAfter - clock.now(), () => {
      if (clock.now() - this.#heardAt < testAfter) this.#watch()
      else this.#test()
    })
  }

  /** Asks for something whose answer is short whatever the size of the room: nobody has one of no tags. */
  #test(): void {
    this.#plan(answerWithin, () => this.#fail(new ParleyError('DISCONNECTED', 'The server does not answer.')))
    this.request({ type: 'discover_peers', filters: { tags: [] } }).then(
      () => this.#watch(),
      // Lost meanwhile, which is seen elsewhere.
      () => {},
    )
  }

  /** Shows the server an ID token that lasts longer. Without a refresh token there is none, but for a new identity. */
  #renew(): void {
    const { identity } = this.options
    if (!identity.refreshToken) return
    identity
      .renew()
      .then(id_token => this.request({ type: 'renew', id_token }))
      // If the server minds, it closes the connection, and the next one begins with a token that is valid.
      .catch(() => {})
  }

  #retry(): void {
    if (this.#isTrying || this.#state.status !== 'reconnecting') return
    this.#cancelTimer()
    this.#tryAgain()
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
    if (this.#retirement || (!error.retryable && !passing.includes(error.code))) {
      this.#end(this.#retirement ?? error)
      return
    }
    const { clock, random } = this.options
    const attempt = this.#attempt + 1
    // Somebody waits whose request may still be answered: at once, the first time.
    const isUrgent = attempt < 2 && this.#session && this.#requests.unanswered
    const pause = Math.max(isUrgent ? 0 : pauseBefore(attempt, random()), (error.retryAfter ?? 0) * 1000)
    this.#become({ status: 'reconnecting', attempt, retryAt: clock.now() + pause, error })
    if (!this.#session) this.#endSession(error)
    else this.#cancelSession ??= clock.after(this.#session.ttl_seconds * 1000, () => this.#endSession(error))
    this.#plan(pause, () => this.#retry())
  }

  /** What was sent on it and has no answer may have arrived or not. */
  #endSession(cause: ParleyError): void {
    this.#hold(undefined)
    this.#requests.rejectSent(
      new ParleyError('DISCONNECTED', 'The connection was lost before the answer came.', { cause }),
    )
  }

  /** The session goes on, or there is none any more. */
  #hold(session: SessionGrant | undefined): void {
    this.#session = session
    this.#cancelSession?.()
    this.#cancelSession = undefined
  }

  /** Instead of what was planned before. */
  #plan(ms: number, act: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = this.options.clock.after(ms, act)
  }

  #end(error: ParleyError | undefined): void {
    if (this.#state.status === 'closed') return
    this.#offOnline()
    this.#hold(undefined)
    this.#abandon(1000)
    this.#refuse(error ?? left())
    this.#become(error ? { status: 'closed', error } : { status: 'closed' })
    this.#requests.rejectAll(error ?? left())
    void this.#released.then(this.#tellOver)
  }

  /** Lets go of the socket. @param code that says whether the peer leaves the room with it */
  #abandon(code?: number): void {
    this.#cancelTimer()
    const socket = this.#socket
    if (!socket) return
    this.#socket = undefined
    this.#isReady = false
    socket.onopen = socket.onmessage = null
    this.#released = closeSocket(socket, this.options.clock, code)
  }

  #become(state: ConnectionState): void {
    this.#state = state
    this.emit('state', state)
  }
}
