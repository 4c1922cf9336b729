import { test } from 'bun:test'
import { type PeerType, peerMessages } from '@parley/protocol'
import fc from 'fast-check'
import { startServer, type TestPeer } from '../../test/harness.ts'
import { type Clock, manualClock } from '../clock.ts'
import { sqlite } from '../room-store/sqlite.ts'
import { presenceWindow } from '../rooms/presence.ts'

const runs = 100
const stepsPerRun = 80

type Message = { type: string; [key: string]: unknown }

// What may happen. A line is a connection; which one is meant is found when it happens, among those that are in use.

const names = ['a', 'b', 'c', 'd']
const name = fc.constantFrom(...names)
const channel = fc.constantFrom('x', 'y')
const line = fc.nat({ max: 999 })

const registration = fc.record({
  peer_id: name,
  room: fc.nat({ max: 1 }),
  /** Each name belongs to one of two identities; now and then the other one wants it. */
  isStranger: fc.nat({ max: 9 }).map(n => n === 9),
  features: fc.constantFrom<string[]>([], ['presence'], ['acks'], ['acks', 'presence'], ['acks', 'presence']),
  channels: fc.constantFrom<string[]>([], [], [], ['x'], ['x', 'y']),
})

const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('query', 'discover_peers', 'get_ice_servers') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('update_metadata') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('join_channel', 'leave_channel'), channel }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('offer', 'candidate'), target: name }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('peer_message'), to_peer_id: name }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('mesh_connect'), target_peer_id: name }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('broadcast') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('broadcast'), channel }) },
)

const act = <const A extends string>(name: A) => fc.constant(name)
const connect = fc.record({ act: act('connect'), registration })
const pause = fc.record({ act: act('pause') })
const deed = fc.oneof(
  { weight: 20, arbitrary: fc.record({ act: act('send'), line, message, isSigned: fc.boolean() }) },
  { weight: 3, arbitrary: connect },
  { weight: 2, arbitrary: fc.record({ act: act('register'), line, registration }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constantFrom('close', 'terminate'), line }) },
  // So much at once that presence is gathered.
  { weight: 1, arbitrary: fc.record({ act: act('chatter'), line, times: fc.constantFrom(2, 100, 200) }) },
  { weight: 3, arbitrary: pause },
)
const step = fc.oneof(
  { weight: 20, arbitrary: deed },
  { weight: 1, arbitrary: fc.record({ act: act('await answers') }) },
  { weight: 1, arbitrary: fc.record({ act: act('hold registers') }) },
  { weight: 2, arbitrary: fc.record({ act: act('let a register go on'), which: line }) },
  { weight: 1, arbitrary: fc.record({ act: act('let 200 ms pass') }) },
)
const schedule = fc.record({
  first: fc.array(connect, { maxLength: 12, size: 'max' }),
  next: fc.array(step, { maxLength: 2 * stepsPerRun, size: 'max' }),
  whileItStops: fc.array(deed, { maxLength: 20, size: 'max' }),
})
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never
type Registration = typeof registration extends fc.Arbitrary<infer T> ? T : never

// What happened. Every event has a number, in the order in which this process saw them.

interface Heard {
  readonly at: number
  readonly text: string
  readonly message: Message
}

interface Request {
  readonly n: number
  readonly line: Line
  readonly at: number
  readonly message: Message
  readonly answers: Heard[]
  /** Those that what it carries has come to. */
  readonly receivers: Line[]
  readonly answered: PromiseWithResolvers<void>
}

interface Line {
  readonly number: number
  readonly socket: WebSocket
  readonly closed: Promise<unknown>
  readonly sent: Request[]
  readonly heard: Heard[]
  /** When it was ended from this side. */
  ended: number
  /** Whether that was without a word, so that the server may notice it later. */
  isCut: boolean
  /** When it heard `bye`. */
  bye: number
  /** When its end was complete. */
  gone: number
}

/** The member that carries the number of the request. */
const cargo: Record<string, string> = {
  offer: 'sdp',
  candidate: 'candidate',
  peer_message: 'payload',
  mesh_connect: 'offer',
  mesh_offer: 'offer',
  broadcast: 'payload',
  update_metadata: 'metadata',
}
const senders: Record<string, string> = {
  offer: 'sender',
  candidate: 'sender',
  peer_message: 'from_peer_id',
  mesh_connect: 'from_peer_id',
  broadcast: 'from_peer_id',
}
const events = ['peer_joined', 'peer_left', 'peer_updated', 'peers_changed', 'bye']
const isSignal = ({ type }: Message) => senders[type] === 'sender'
const isAnswer = (message: Message) => message.request_id !== undefined && !isSignal(message)
const isRegister = ({ message }: Request) => message.type === 'register'
const isMove = ({ message }: Request) => message.type.endsWith('_channel')
const asksForAcks = ({ message }: Request) => (message.features as string[]).includes('acks')
/** Which request a message answers, or carries. */
function numberIn(message: Message): number {
  if (isAnswer(message)) return Number(String(message.request_id).slice(1))
  return (message[String(cargo[message.type])] as { n: number } | undefined)?.n ?? -1
}
/** When nothing was left of it on this side. */
const endOf = ({ ended, bye, gone }: Line) => Math.min(ended, bye, gone)

const secret = /token|servers|^expires|^reason$|connected_at/
const brief = (message: Message) => JSON.stringify(message, (key, value) => (secret.test(key) ? undefined : value))

/** A store whose answers can be held back, and let go in another order. */
function holdableStore(clock: Clock) {
  const store = sqlite(':memory:', clock)
  const held: (() => void)[] = []
  let isHolding = false
  return {
    store: {
      ...store,
      async get(roomId: string) {
        if (isHolding) await new Promise<void>(resolve => held.push(resolve))
        return store.get(roomId)
      },
    },
    hold() {
      isHolding = true
    },
    letOneGo: (which: number) => held.splice(which % (held.length + 1), 1)[0]?.(),
    letAllGo() {
      isHolding = false
      for (const go of held.splice(0).reverse()) go()
    },
  }
}

async function play({ first, next, whileItStops }: Schedule) {
  const clock = manualClock()
  const { store, hold, letOneGo, letAllGo } = holdableStore(clock)
  const settings = { PARLEY_DEAD_AFTER_SECONDS: '900', PARLEY_ERRORS_PER_MINUTE: '1000000' }
  const server = await startServer(settings, { clock, store })
  const identities = [await server.signIn(), await server.signIn()]
  const rooms = await Promise.all(identities.map(identity => server.createRoom(identity)))
  const connects = [...first, ...next, ...whileItStops].filter(({ act }) => act === 'connect')
  const unused = await Promise.all(connects.map(() => server.connect()))
  const lines: Line[] = []
  const requests: Request[] = []
  const log: string[] = []
  let now = 0
  const note = (line: Line, what: string) => log.push(`${++now} #${line.number} ${what}`)

  function open({ socket, closed }: TestPeer): Line {
    const never = { ended: Infinity, isCut: false, bye: Infinity, gone: Infinity }
    const line: Line = { number: lines.length, socket, closed, sent: [], heard: [], ...never }
    lines.push(line)
    socket.onmessage = ({ data }) => {
      const text = String(data)
      const message = JSON.parse(text) as Message
      note(line, `< ${brief(message)}`)
      line.heard.push({ at: now, text, message })
      if (message.type === 'bye') line.bye = now
      const request = isAnswer(message) ? requests[numberIn(message)] : undefined
      request?.answers.push({ at: now, text, message })
      request?.answered.resolve()
    }
    void closed.then(() => {
      note(line, 'is gone')
      line.gone = now
    })
    return line
  }

  function send(line: Line, message: Message): Request {
    const n = requests.length
    const member = cargo[message.type]
    const whole = { ...message, ...(member && { [member]: { n } }), request_id: `r${n}` }
    note(line, `> ${brief(whole)}`)
    const answered = Promise.withResolvers<void>()
    const request: Request = { n, line, at: now, message: whole, answers: [], receivers: [], answered }
    requests.push(request)
    line.sent.push(request)
    line.socket.send(JSON.stringify(whole))
    return request
  }

  function register(line: Line, { room, isStranger, ...members }: Registration) {
    const { room_id, token } = rooms[room] ?? {}
    const id_token = identities[(names.indexOf(members.peer_id) + Number(isStranger)) % 2]
    send(line, { type: 'register', room_id, token, id_token, ...members })
  }

  function end(line: Line, how: 'close' | 'terminate') {
    note(line, `${how}s`)
    line.ended = now
    line.isCut = how === 'terminate'
    line.socket[how]()
  }

  const inUse = () => lines.filter(line => endOf(line) === Infinity)

  /** Asks over every line; resolves with the requests, when each line has answered or gone. */
  async function round(type: string): Promise<Request[]> {
    const asked = inUse().map(line => send(line, { type }))
    const late = Promise.withResolvers<never>()
    const deadline = setTimeout(() => {
      const open = asked.filter(({ answers, line }) => answers.length === 0 && line.gone === Infinity)
      late.reject(
        new Error([...open.map(request => `not answered: ${show(request)}`), '', ...log.slice(-100)].join('\n')),
      )
    }, 5_000)
    const all = Promise.all(asked.map(({ answered, line }) => Promise.race([answered.promise, line.closed])))
    await Promise.race([all, late.promise]).finally(() => clearTimeout(deadline))
    return asked
  }

  async function perform(step: Schedule['next'][number]) {
    switch (step.act) {
      case 'connect': {
        const peer = unused.shift()
        if (peer) register(open(peer), step.registration)
        return
      }
      case 'pause':
        return new Promise<void>(resolve => setImmediate(resolve))
      case 'await answers':
        letAllGo()
        return void (await round('query'))
      case 'hold registers':
        return hold()
      case 'let a register go on':
        return void letOneGo(step.which)
      case 'let 200 ms pass':
        return clock.advance(presenceWindow.ms)
    }
    const line = inUse()[step.line % Math.max(1, inUse().length)]
    if (!line) return
    switch (step.act) {
      case 'register':
        return register(line, step.registration)
      case 'close':
      case 'terminate':
        return end(line, step.act)
      case 'chatter':
        for (let n = 0; n < step.times; n++) send(line, { type: 'update_metadata' })
        return
      case 'send': {
        const { message, isSigned } = step
        // A peer without acks is not told when it has moved, and nobody could say afterwards whom it may hear.
        if (message.type.endsWith('_channel') && !line.sent.filter(isRegister).every(asksForAcks)) return
        const sender = senders[message.type]
        const name = line.sent.findLast(isRegister)?.message.peer_id
        send(line, isSigned && sender ? { ...message, [sender]: name } : message)
      }
    }
  }

  let wrong: string[] = []
  let last: Request[] = []
  let settled = Infinity
  let stopped = Infinity
  try {
    for (const step of [...first, ...next]) await perform(step)
    letAllGo()
    // With this all that was sent has been handled, and with the next round what came of it is here.
    await round('query')
    // It may take more until the server has noticed that a line was cut.
    for (let n = 0; n < 50; n++) if (untruths(await round('discover_peers')).length === 0) break
    clock.advance(presenceWindow.ms)
    last = await round('discover_peers')
    wrong = untruths(last)
    settled = ++now
    for (const step of whileItStops) await perform(step)
  } finally {
    stopped = ++now
    await server[Symbol.asyncDispose]()
  }
  await Promise.all(lines.map(({ closed }) => closed))
  return { lines, requests, log, last, wrong, settled, stopped }
}
type Play = Awaited<ReturnType<typeof play>>

// What it means.

const codeOf = ({ answers: [answer] }: Request) => answer?.message.code
const isRefused = ({ answers: [answer] }: Request) => answer?.message.type === 'error'
const isDone = (request: Request) => request.answers.length > 0 && !isRefused(request)
const show = (request: Request) =>
  [
    `r${request.n} of #${request.line.number}`,
    ...[request, ...request.answers].map(({ message }) => brief(message)),
  ].join(' ')

/** Whom a line speaks for. */
interface Standing {
  /** When it heard so. */
  readonly at: number
  readonly registered: Request
  readonly name: unknown
  readonly room: unknown
  readonly channels: readonly unknown[]
  readonly metadata: unknown
}

function standingAfter(registered: Request, at: number): Standing {
  const { peer_id, room_id, channels } = registered.message
  return { at, registered, name: peer_id, room: room_id, channels: channels as string[], metadata: {} }
}

function moved(standing: Standing, { type, channel }: Message): Standing {
  const others = standing.channels.filter(other => other !== channel)
  return { ...standing, channels: type === 'join_channel' ? [...others, channel] : others }
}

const meet = (a: Standing, b: Standing) =>
  a.room === b.room &&
  (a.channels.length + b.channels.length === 0 || a.channels.some(channel => b.channels.includes(channel)))

/** Whom the line spoke for, one after the other, as it was told. */
function standingsOf({ sent, heard }: Line): Standing[] {
  const standings: Standing[] = []
  const requests = new Map(sent.map(request => [request.message.request_id, request]))
  for (const { at, message } of heard) {
    const request = isAnswer(message) ? requests.get(message.request_id) : undefined
    const before = standings.at(-1)
    if (message.type === 'registered_auth' && request) standings.push(standingAfter(request, at))
    if (message.type === 'metadata_updated' && before) standings.push({ ...before, at, metadata: message.metadata })
    if (message.type === 'ack' && before && request && isMove(request)) {
      standings.push({ ...moved(before, request.message), at })
    }
  }
  return standings
}

type Entry = { peer_id: string; metadata: unknown }

/** Where the answers to a round of `discover_peers` are not what they have to be when nothing moves. */
function untruths(round: readonly Request[]): string[] {
  const told = round.filter(({ answers: [answer] }) => answer?.message.type === 'peer_list')
  const present = told.flatMap(({ line }) => standingsOf(line).at(-1) ?? [])
  return told.flatMap(request => {
    const me = standingsOf(request.line).at(-1)
    const others = present.filter(other => me && other.registered !== me.registered && meet(other, me))
    const truth = others.map(({ name, metadata }) => `${name} ${JSON.stringify(metadata)}`).sort()
    const peers = request.answers[0]?.message.peers as Entry[]
    const answer = peers.map(({ peer_id, metadata }) => `${peer_id} ${JSON.stringify(metadata)}`).sort()
    return Bun.deepEquals(answer, truth) ? [] : `not the truth, which is [${truth}]: ${show(request)}`
  })
}

/** What is known of who spoke for whom when. */
function knowledge({ lines, requests, stopped }: Play) {
  const standings = new Map(lines.map(line => [line, standingsOf(line)]))
  const registers = requests.filter(request => isRegister(request) && !isRefused(request))

  /** Whom each request was sent for: several, where the answers that would tell did not come. */
  const speakers = new Map<Request, readonly Standing[]>()
  for (const { sent } of lines) {
    let current: Standing[] = []
    for (const request of sent) {
      speakers.set(request, current)
      if (isRefused(request) || !(isRegister(request) || isMove(request))) continue
      const next = isMove(request) ? current.map(from => moved(from, request.message)) : [standingAfter(request, 0)]
      current = isDone(request) ? next : [...current, ...next]
    }
  }

  const standingAt = (line: Line, at: number) => standings.get(line)?.findLast(standing => standing.at <= at)

  /** The registers for the same place that may have been successful after that of `standing`. */
  const rivals = ({ name, room, registered }: Standing) =>
    registers.filter(rival => {
      const { message, answers } = rival
      const isLater = (answers[0]?.at ?? Infinity) > registered.at
      return rival !== registered && isLater && message.peer_id === name && message.room_id === room
    })

  /** Whom the line spoke for all the while between two events, if it certainly was the same. */
  function steady(line: Line, from: number, to: number): Standing | undefined {
    const standing = standingAt(line, from)
    if (!standing || to > Math.min(endOf(line), stopped)) return undefined
    const changes = line.sent.filter(request => isMove(request) || isRegister(request))
    const isStill = changes.every(
      change => isRefused(change) || change.at > to || (change.answers[0]?.at ?? Infinity) < from,
    )
    return isStill && rivals(standing).every(({ at }) => at > to) ? standing : undefined
  }

  /** The lines that were where the request has to arrive all the while until it had been handled, for certain. */
  function certainReceivers(request: Request): Line[] {
    const [from, ...others] = speakers.get(request) ?? []
    if (!from || others.length > 0) return []
    const answered = request.line.sent.find(({ n, answers }) => n >= request.n && answers.length > 0)
    return lines.filter(line => {
      const to = steady(line, request.at, answered?.answers[0]?.at ?? Infinity)
      return to && isFor(request, from, to)
    })
  }

  return {
    registers,
    speakersOf: (request: Request) => speakers.get(request) ?? [],
    standingAt,
    rivals,
    steady,
    certainReceivers,
  }
}
type Knowledge = ReturnType<typeof knowledge>

/** Whether the request has to reach `to` if it comes from `from`. */
function isFor({ message, line }: Request, from: Standing, to: Standing): boolean {
  const { type, channel } = message
  if (type !== 'broadcast') return targetOf(message) === to.name && meet(from, to)
  if (to.registered.line === line) return false
  if (channel === undefined) return meet(from, to)
  return from.room === to.room && [from, to].every(({ channels }) => channels.includes(channel))
}

const targetOf = ({ target, to_peer_id, target_peer_id }: Message) => target ?? to_peer_id ?? target_peer_id

/** What its receiver gets. */
function asRelayed({ message }: Request, { name }: Standing): string {
  const { type, from_peer_id, request_id, ...rest } = message
  if (isSignal(message)) {
    return JSON.stringify({ ...(message.sender === undefined && { sender: name }), ...message, sender: name })
  }
  if (type === 'mesh_connect') return JSON.stringify({ type: 'mesh_offer', from_peer_id: name, offer: message.offer })
  return JSON.stringify({ type, from_peer_id: name, ...rest })
}

/** Every request is answered on its line: once if it has to be, never twice, and with nothing that is not so. */
function* wrongAnswers({ lines, requests, settled, stopped }: Play, known: Knowledge) {
  for (const line of lines) {
    for (const { message } of line.heard) {
      const isNews = message.type in cargo || events.includes(message.type)
      const isRight = isAnswer(message) ? requests[numberIn(message)]?.line === line : isNews
      if (!isRight) yield `not asked for by #${line.number}: ${brief(message)}`
    }
    const me = known.standingAt(line, line.bye)
    const isReplaced = me && known.rivals(me).some(({ at }) => at < line.bye)
    if (line.bye < stopped && !isReplaced) yield `told bye without a reason: #${line.number}`
    if (line.gone < stopped && endOf(line) === line.gone) yield `closed without a word: #${line.number}`
  }
  for (const request of requests) {
    const { line, message, at, answers } = request
    const { reply } = peerMessages[message.type as PeerType]
    const registers = line.sent.filter(other => isRegister(other) && other.n <= request.n)
    const current = registers.findLast(isDone)
    const hasAcks = current ? asksForAcks(current) : registers.every(asksForAcks)
    const isKept = at < settled && settled < endOf(line)
    const isClosedWithCare = hasAcks && at < line.bye && line.bye < Infinity && line.ended === Infinity
    if (answers.length > 1) yield `answered twice: ${show(request)}`
    if (answers.length === 0 && ((isKept && (hasAcks || reply)) || isClosedWithCare))
      yield `not answered: ${show(request)}`
    for (const { message } of answers) {
      if (message.type === 'ack' && !hasAcks) yield `acked without acks: ${show(request)}`
      if (message.type !== 'error' && message.type !== (reply ?? 'ack')) yield `not its answer: ${show(request)}`
    }
    if (isRefused(request) && !mayBeRefused(request, known, stopped)) yield `refused without a reason: ${show(request)}`
  }
}

function mayBeRefused(request: Request, known: Knowledge, stopped: number): boolean {
  const { line, at, message, answers } = request
  const [answer = { at, message }] = answers
  const speakers = known.speakersOf(request)
  switch (codeOf(request)) {
    case 'PEER_NOT_FOUND':
    case 'PEER_NOT_IN_ROOM':
      return known.certainReceivers(request).length === 0
    case 'DELIVERY_FAILED': {
      const missed = (answer.message.undelivered as unknown[] | undefined) ?? [targetOf(message)]
      return known.certainReceivers(request).every(receiver => !missed.includes(known.standingAt(receiver, at)?.name))
    }
    case 'NOT_IN_ROOM':
      return known.steady(line, at, answer.at) === undefined
    case 'SENDER_MISMATCH':
      return speakers.some(({ name }) => name !== (message[String(senders[message.type])] ?? name))
    case 'NOT_IN_CHANNEL':
      return speakers.some(({ channels }) => !channels.includes(message.channel))
    case 'PEER_ID_TAKEN':
      return known.registers.some(
        ({ at, message: { peer_id, room_id, id_token } }) =>
          at < answer.at && peer_id === message.peer_id && room_id === message.room_id && id_token !== message.id_token,
      )
    case 'PEER_REPLACED':
      return line.bye < answer.at
    case 'SHUTTING_DOWN':
      return stopped < answer.at
    case 'UNAVAILABLE':
      return isRegister(request)
    default:
      return false
  }
}

/** What is relayed comes as it must, in order, once, to those that it is for; what was refused comes to nobody. */
function* wrongDeliveries({ lines, requests, settled }: Play, known: Knowledge) {
  for (const line of lines) {
    const latest = new Map<Line, number>()
    for (const { at, message, text } of line.heard) {
      if (isAnswer(message) || !(message.type in cargo)) continue
      const heard = `#${line.number} ${at} ${text}`
      const request = requests[numberIn(message)]
      const me = known.standingAt(line, at)
      if (!request || !me) {
        yield `from nowhere, or to nobody: ${heard}`
        continue
      }
      request.receivers.push(line)
      const isRight = (from: Standing) => isFor(request, from, me) && asRelayed(request, from) === text
      if (!known.speakersOf(request).some(isRight)) yield `not for it: ${heard}`
      if (request.n <= (latest.get(request.line) ?? -1)) yield `too late, or again: ${heard}`
      latest.set(request.line, request.n)
      const isSucceeded = ({ at, answers: [answer] }: Request) => at > me.at && answer && answer.at < request.at
      if (known.rivals(me).some(isSucceeded)) yield `for its successor: ${heard}`
    }
  }
  for (const request of requests) {
    const { line, message, at, answers, receivers } = request
    if (!(message.type in senders)) continue
    const isBroadcast = message.type === 'broadcast'
    if (!isBroadcast && receivers.length > 1) yield `to more than one: ${show(request)}`
    const isPartly = isBroadcast && codeOf(request) === 'DELIVERY_FAILED'
    if (isRefused(request) && receivers.length > 0 && !isPartly) yield `refused, but sent: ${show(request)}`
    if (isRefused(request) || (answers.length === 0 && !(at < settled && settled < endOf(line)))) continue
    // A line that was ended from this side may have been so with the message on its way.
    const mayHaveLost = ({ message: { peer_id, room_id }, line }: Request) =>
      line.ended < Infinity &&
      (line.isCut || line.gone > at) &&
      peer_id === targetOf(message) &&
      known.speakersOf(request).some(({ room }) => room === room_id)
    const isMissing = isBroadcast
      ? known.certainReceivers(request).some(to => to.ended === Infinity && !receivers.includes(to))
      : receivers.length === 0 && !known.registers.some(mayHaveLost)
    if (isMissing) yield `not received: ${show(request)}`
  }
}

/** Who sees presence has, at each moment, the roster that the events make of the snapshot, and in the end the right one. */
function* wrongRosters({ lines, last, wrong }: Play) {
  yield* wrong
  for (const line of lines) {
    let roster: Map<string, Entry> | undefined
    for (const { at, message, text } of line.heard) {
      const list = (name: string) => (message[name] ?? []) as Entry[]
      const heard = `#${line.number} ${at} ${text}`
      switch (message.type) {
        case 'registered_auth':
          roster = message.roster ? new Map(list('roster').map(peer => [peer.peer_id, peer])) : undefined
          break
        case 'peer_list':
          if (!roster || !last.some(({ message: { request_id } }) => request_id === message.request_id)) break
          if (!Bun.deepEquals(new Map(list('peers').map(peer => [peer.peer_id, peer])), roster)) {
            yield `not the roster [${[...roster.values()].map(peer => JSON.stringify(peer))}]: ${heard}`
          }
          break
        case 'peer_joined':
        case 'peer_left':
        case 'peer_updated':
        case 'peers_changed': {
          const peer = (message.peer ?? message) as Entry
          const left = message.type === 'peer_left' ? [peer] : list('left')
          const joined = message.type === 'peer_joined' ? [peer] : list('joined')
          const updated = message.type === 'peer_updated' ? [peer] : list('updated')
          for (const { peer_id } of left) if (!roster?.delete(peer_id)) yield `${peer_id} was not there: ${heard}`
          for (const { peer_id } of joined) if (!roster || roster.has(peer_id)) yield `${peer_id} was there: ${heard}`
          for (const peer of joined) roster?.set(peer.peer_id, peer)
          for (const { peer_id } of updated) if (!roster?.has(peer_id)) yield `${peer_id} was not there: ${heard}`
          for (const peer of updated) roster?.set(peer.peer_id, peer)
        }
      }
    }
  }
}

test(`acks, order, reach and presence hold whatever peers do, in ${runs} times about ${stepsPerRun} random steps`, async () => {
  const property = fc.asyncProperty(schedule, async schedule => {
    const story = await play(schedule)
    const known = knowledge(story)
    const faults = [...wrongAnswers(story, known), ...wrongDeliveries(story, known), ...wrongRosters(story)]
    if (faults.length > 0) throw new Error([...faults.slice(0, 5), '', ...story.log.slice(-100)].join('\n'))
  })
  const { failed, seed, errorInstance } = await fc.check(property, { numRuns: runs, interruptAfterTimeLimit: 60_000 })
  if (failed) throw new Error(`with seed ${seed}, and as little as shows it:\n${errorInstance}`)
}, 120_000)
