import type { Bye, RegisteredAuth, ServerMessage } from '@parley/protocol'
import { pauseBefore } from './backoff.ts'
import type { Clock } from './clock.ts'
import { closeSocket } from './close-socket.ts'
import { Emitter } from './emitter.ts'
import { ParleyError } from './errors.ts'
import { type Identity, withToken } from './identity.ts'
import type { ConnectionState, Incoming, IncomingSignal, Outgoing } from './messages.ts'
import { onOnline } from './page-events.ts'
import type { PlaceHolder } from './places.ts'
import { Requests } from './requests.ts'
import { asParleyError, byeError, closeError, errorOf, left } from './server-errors.ts'

export interface SignalingOptions {
  readonly wsUrl: string
  readonly identity: Identity
  /** What `register` says beside the ID token, asked for each time. */
  readonly registration: () => { readonly [member: string]: unknown }
  readonly WebSocket: typeof WebSocket
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
}

interface SignalingEvents {
  /** The server has let the peer in, for the first time or again. */
  registered: [RegisteredAuth]
  state: [ConnectionState]
  message: [Incoming]
}

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
  #state: ConnectionState
  #socket: WebSocket | undefined
  #isTrying = false
  #attempt = 0
  #heardAt = 0
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
    const error = new ParleyError('DISCONNECTED', 'Not connected.')
    this.#state = { status: 'reconnecting', attempt: 1, retryAt: options.clock.now(), error }
  }

  /**
   * Connects and registers. There is one attempt: of what has never worked nobody knows whether it will.
   * @throws ParleyError
   */
  async open(): Promise<void> {
    try {
      await this.#try()
    } catch (cause) {
      const error = asParleyError(cause)
      this.#end(error)
      throw error
    }
  }

  get state(): ConnectionState {
    return this.#state
  }

  /**
   * The answer to a message: its reply in docs/protocol.md, or `ack`.
   * @throws ParleyError with the server's code; MESSAGE_TOO_BIG; LEFT; DISCONNECTED if the connection broke before the
   *   answer came: then nobody knows whether the message has arrived
   */
  request(message: Outgoing): Promise<ServerMessage> {
    const state = this.#state
    if (state.status === 'closed') return Promise.reject(state.error ?? left())
    if (state.status === 'connected') return this.#requests.make(message, this.#send)
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

  /** Resolves when the peer is registered. From then on the end of the connection is told to `#lost`. @throws ParleyError */
  async #connect(idToken: string): Promise<void> {
    if (this.#state.status === 'closed') throw this.#state.error ?? left()
    const { WebSocket, wsUrl, registration, clock } = this.options
    const socket = new WebSocket(wsUrl)
    this.#socket = socket
    await new Promise<void>((resolve, reject) => {
      this.#refuse = reject
      let isRegistered = false
      let bye: Bye | undefined
      const fail = (error: ParleyError) => {
        if (this.#socket !== socket) return
        this.#abandon()
        if (isRegistered) this.#lost(error)
        else reject(error)
      }
      this.#fail = fail
      this.#plan(registerWithin, () => fail(new ParleyError('TIMEOUT', `${wsUrl} does not answer.`)))
      socket.onopen = () =>
        socket.send(JSON.stringify({ ...registration(), type: 'register', id_token: idToken, request_id: registerId }))
      socket.onclose = ({ code, reason }) => fail(bye ? byeError(bye) : closeError(wsUrl, code, reason, !isRegistered))
      // It says nothing of the cause, and a close event follows.
      socket.onerror = () => {}
      socket.onmessage = ({ data }) => {
        this.#heardAt = clock.now()
        const message: ServerMessage | IncomingSignal = JSON.parse(String(data))
        switch (message.type) {
          case 'registered_auth':
            isRegistered = true
            this.#watch()
            this.#registered(message)
            return resolve()
          case 'error':
            if (message.request_id === registerId) return fail(errorOf(message))
            if (message.request_id !== undefined)
              return this.#requests.answered(message.request_id)?.reject(errorOf(message))
            // The answer to nothing: the room has ended.
            if (message.code === 'ROOM_EXPIRED') fail(errorOf(message))
            return
          case 'bye':
            bye = message
            return
          case 'token_expiring':
            return this.#renew()
          case 'offer':
          case 'answer':
          case 'candidate':
            return this.emit('message', message)
          default: {
            const id = 'request_id' in message ? message.request_id : undefined
            if (id === undefined) this.emit('message', message)
            else this.#requests.answered(id)?.resolve(message)
          }
        }
      }
    })
  }

  #registered(reply: RegisteredAuth): void {
    this.#attempt = 0
    this.#become({ status: 'connected' })
    this.emit('registered', reply)
    this.#requests.flush(this.#send)
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
    this.#try().catch(error => this.#lost(asParleyError(error)))
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
    const pause = Math.max(pauseBefore(attempt, random()), (error.retryAfter ?? 0) * 1000)
    this.#become({ status: 'reconnecting', attempt, retryAt: clock.now() + pause, error })
    const sentence = 'The connection was lost before the answer came.'
    this.#requests.rejectSent(new ParleyError('DISCONNECTED', sentence, { cause: error }))
    this.#plan(pause, () => this.#retry())
  }

  /** Instead of what was planned before. */
  #plan(ms: number, act: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = this.options.clock.after(ms, act)
  }

  #end(error: ParleyError | undefined): void {
    if (this.#state.status === 'closed') return
    this.#offOnline()
    this.#abandon()
    this.#refuse(error ?? left())
    this.#become(error ? { status: 'closed', error } : { status: 'closed' })
    this.#requests.rejectAll(error ?? left())
    void this.#released.then(this.#tellOver)
  }

  /** Lets go of the socket, whatever state it is in. */
  #abandon(): void {
    this.#cancelTimer()
    const socket = this.#socket
    if (!socket) return
    this.#socket = undefined
    socket.onopen = socket.onmessage = null
    this.#released = closeSocket(socket, this.options.clock)
  }

  #become(state: ConnectionState): void {
    this.#state = state
    this.emit('state', state)
  }
}
