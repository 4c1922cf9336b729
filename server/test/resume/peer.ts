import { type Line, mayBeClosed, mayBeToldBye } from './line.ts'
import { answeredBy, brief, cargo } from './messages.ts'
import { PeerLines, type Surroundings } from './peer-lines.ts'
import type { Break, Wire } from './proxy.ts'
import { type Heard, type Message, type Request, Session } from './story.ts'

/** A client as docs/protocol.md describes it, and no more than that. */
export class ReferencePeer extends PeerLines {
  /** That which it speaks for, or hopes to. */
  session: Session | undefined

  constructor(
    name: string,
    readonly features: readonly string[],
    readonly channels: readonly string[],
    readonly idToken: string,
    world: Surroundings,
  ) {
    super(name, world)
  }

  /** That of its present connection, if it has one. */
  get wire(): Wire | undefined {
    return this.line?.wire
  }

  /** It is in its room, as far as it can know. */
  get isIn(): boolean {
    return this.session?.auth !== undefined && this.line?.session === this.session && !this.line.resuming
  }

  /** The same, and its connection is whole. */
  get isSteady(): boolean {
    return this.isIn && this.line?.wire.isWhole === true && !this.line.registering
  }

  /** Registers on a new connection. If it has a session, that one is taken over. */
  enter(plan?: Break): void {
    const request = this.#register(true)
    this.line = this.connect(request.session, plan, line => this.transmit(line, request))
    this.session = request.session
  }

  /** Registers again on the connection that it has. */
  registerAgain(isRight: boolean): void {
    const { session } = this
    if (!session?.auth || session.sent.some(({ opens, answers }) => opens && answers.length === 0)) return
    const request = this.#register(isRight)
    request.session = session
    this.#send(request, session)
  }

  /** Goes on with its session on a new connection; where there is none to go on with, it registers. */
  comeBack(plan?: Break): void {
    const { session } = this
    if (!session || session.tokens.length === 0) {
      this.enter(plan)
      return
    }
    session.brokenSince ??= this.world.clock.uptime()
    const request_id = `s${this.lines.length}`
    const { room_id } = this.world.rooms[session.room] ?? {}
    this.line = this.connect(session, plan, line => {
      for (const other of this.lines) if (other.session === session && other !== line) other.isAbandoned = true
      const [token, { received }] = [session.tokens.at(-1), session]
      this.write(line, { type: 'resume', room_id, peer_id: this.name, token, received, request_id })
    })
    this.line.resuming = request_id
  }

  /** Says something as soon as it can, and keeps it for the case that it gets lost. */
  send(message: Message): Request | undefined {
    const { session } = this
    if (!session) return undefined
    const request = this.#request(message, session, !session.isPlain || message.type === 'query')
    this.#send(request, session)
    return request
  }

  /** Closes its connection for good. */
  leave(): void {
    const line = this.line
    this.#giveUp()
    this.session = this.line = undefined
    if (!line) return
    this.world.story.note(line.name, 'leaves')
    this.close(line)
  }

  /** Ends all connections but the present one, if that is whole. */
  tidy(): void {
    for (const line of this.lines) if (line !== this.line || !line.wire.isWhole) line.wire.end(true)
  }

  #request(message: Message, session: Session, hasId: boolean, opens?: Session): Request {
    const { story } = this.world
    const n = story.requests.length
    const member = cargo[message.type]
    const whole = { ...message, ...(member && { [member]: { n } }), ...(hasId && { request_id: `r${n}` }) }
    const text = JSON.stringify(whole)
    const request: Request = { n, session, message: whole, text, at: ++story.now, answers: [], opens }
    story.requests.push(request)
    return request
  }

  /** Whatever it spoke for until now is over, or will be. */
  #giveUp(): void {
    const { story } = this.world
    for (const session of story.sessions) if (session.name === this.name) story.mayBeOver(session)
  }

  #register(isRight: boolean): Request {
    const { story, room } = this.world
    const { name: peer_id, features, channels, idToken: id_token } = this
    const { room_id, token } = this.world.rooms[room] ?? {}
    if (isRight) this.#giveUp()
    const session = new Session(story.sessions.length, peer_id, room, features.length === 0, channels)
    story.sessions.push(session)
    // A `register` that is on its way still may come later, and take over.
    if (this.lines.some(({ registering, wire }) => registering && !wire.isEnded)) story.mayBeOver(session)
    const secrets = { token: isRight ? token : 'wrong', id_token }
    const message = { type: 'register', peer_id, room_id, ...secrets, features, channels }
    return this.#request(message, session, true, session)
  }

  #send(request: Request, session: Session): void {
    session.sent.push(request)
    const line = this.line
    if (line?.session === session && !line.resuming) this.transmit(line, request)
  }

  protected hear(line: Line, text: string): void {
    const { story } = this.world
    const message = JSON.parse(text) as Message
    const heard: Heard = { at: story.note(line.name, `< ${brief(message)}`), message, text }
    const { registering } = line
    if (line.resuming && message.request_id === line.resuming) {
      line.resuming = undefined
      if (message.type === 'resumed') this.#resumed(line, message)
      else this.#notResumed(line, message)
    } else if (registering && message.request_id === `r${registering.n}` && message.type === 'registered_auth') {
      registering.answers.push(heard)
      line.registering = undefined
      this.#registered(line, registering, heard)
    } else this.#hearOf(line, heard)
  }

  #hearOf(line: Line, heard: Heard): void {
    const { story } = this.world
    const { session, registering } = line
    const { message } = heard
    const n = answeredBy(message)
    const request = n === undefined ? undefined : story.requests[n]
    if (n !== undefined && request?.session !== session) story.fault(`${session} hears an answer to r${n}, not its own`)
    request?.answers.push(heard)
    // What was sent on this connection has come, so the tokens before the present one are good no more.
    if (request && line.said.has(request)) session.firstGood = session.tokens.length - 1
    if (request === registering) line.registering = undefined
    if (session.auth) session.heard.push(heard)
    if (message.type === 'bye') this.#letGo(line, message)
    // It was not let in.
    if (request?.opens === session) {
      story.mayBeOver(session)
      if (this.session === session) this.session = this.line = undefined
      this.close(line)
    }
  }

  #letGo(line: Line, { code }: Message): void {
    const { story } = this.world
    const { session } = line
    if (!mayBeToldBye(session, code, story)) story.fault(`${session} is told bye without a reason: ${code}`)
    story.mayBeOver(session)
    session.isEnded = line.isLetGo = true
    if (this.session === session) this.session = this.line = undefined
  }

  #registered(line: Line, registering: Request, auth: Heard): void {
    const session = registering.opens
    if (!session) return
    const before = line.session
    session.auth = auth
    const { token } = (auth.message.session as { token: string } | undefined) ?? {}
    if (token) session.tokens.push(token)
    if (!line.wire.isWhole) session.brokenSince ??= this.world.clock.uptime()
    if (before === session) return
    // It has registered again: what it has sent behind that belongs to the new session.
    session.sent = before.sent.splice(before.sent.indexOf(registering) + 1)
    before.sent.pop()
    for (const request of session.sent) request.session = session
    registering.session = line.session = session
    if (this.session === before) this.session = session
  }

  #resumed(line: Line, message: Message): void {
    const { story, clock } = this.world
    const { session, wire } = line
    const { received, session: grant } = message as unknown as { received: number; session: { token: string } }
    const answered = session.sent.findLastIndex(({ answers }) => answers.length > 0) + 1
    if (received < answered || received > session.sent.length)
      story.fault(`${session} hears of ${received} frames, of ${session.sent.length}, ${answered} of them answered`)
    session.tokens.push(grant.token)
    session.brokenSince = wire.isWhole ? undefined : clock.uptime()
    for (const request of session.sent.slice(received)) this.transmit(line, request)
  }

  #notResumed(line: Line, message: Message): void {
    const { story } = this.world
    const { session } = line
    // The way to the room's node was just cut, or nobody said in time which one it is. It tries again.
    if (message.code === 'UNAVAILABLE') {
      this.close(line)
      return
    }
    if (message.code !== 'RESUME_FAILED') story.fault(`${session} is answered with ${message.code}`)
    else if (session.overAt === Infinity && !story.mayHaveTooMuch(session))
      story.fault(`${session} cannot go on, without a reason`)
    if (this.session !== session) {
      this.close(line)
      return
    }
    const request = this.#register(true)
    this.session = line.session = request.session
    this.transmit(line, request)
  }

  protected lost(line: Line, code: number): void {
    const { story, clock } = this.world
    const { session } = line
    story.note(line.name, `is closed with ${code}`)
    if (!mayBeClosed(line, code, story)) story.fault(`${session} is closed with ${code}, without a word`)
    session.brokenSince ??= clock.uptime()
    if (this.line === line) this.line = undefined
    if (session.tokens.length > 0 && !session.isEnded) return
    story.mayBeOver(session)
    if (this.session === session && !this.line) this.session = undefined
  }
}
