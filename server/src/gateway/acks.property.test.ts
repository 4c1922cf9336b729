import { test } from 'bun:test'
import { type PeerType, peerMessages } from '@parley/protocol'
import fc from 'fast-check'
import { startServer } from '../../test/harness.ts'
import { type Clock, manualClock } from '../clock.ts'
import { sqlite } from '../room-store/sqlite.ts'
import { presenceWindow } from '../rooms/presence.ts'

const runs = 150
const stepsPerRun = 80

type Message = { type: string; [key: string]: unknown }

// What may happen. A line is a connection; which one is meant is found when it happens, among those that are in use.

const names = ['a', 'b', 'c', 'd']
const line = fc.nat({ max: 999 })
const name = fc.constantFrom(...names)
const channel = fc.constantFrom('x', 'y')

const registration = fc.record({
  peer_id: name,
  room: fc.nat({ max: 1 }),
  /** Each name belongs to one of two identities; now and then the other one wants it. */
  isStranger: fc.nat({ max: 9 }).map(n => n === 0),
  features: fc.constantFrom<string[]>(['acks'], ['acks', 'presence'], ['acks', 'presence'], ['presence'], []),
  channels: fc.constantFrom<string[]>([], [], [], ['x'], ['x', 'y']),
})

const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('offer', 'candidate'), target: name }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('peer_message'), to_peer_id: name }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('mesh_connect'), target_peer_id: name }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('broadcast') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('broadcast'), channel }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('update_metadata') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('query', 'discover_peers', 'get_ice_servers') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('join_channel', 'leave_channel'), channel }) },
)

const act = <const A extends string>(name: A) => fc.constant(name)
const connect = fc.record({ act: act('connect'), registration })
const moment = fc.oneof(
  { weight: 20, arbitrary: fc.record({ act: act('send'), line, message, isSigned: fc.boolean() }) },
  { weight: 3, arbitrary: connect },
  { weight: 2, arbitrary: fc.record({ act: act('register'), line, registration }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constantFrom('close', 'terminate'), line }) },
  // Enough at once for presence to be gathered.
  { weight: 1, arbitrary: fc.record({ act: act('chatter'), line, times: fc.constantFrom(2, 100, 200) }) },
)
const turn = fc.record({ act: act('let others do something') })
const pause = fc.oneof(
  { weight: 4, arbitrary: turn },
  { weight: 2, arbitrary: fc.record({ act: act('await answers') }) },
  { weight: 1, arbitrary: fc.record({ act: act('hold the store') }) },
  { weight: 2, arbitrary: fc.record({ act: act('let one register go on'), which: line }) },
  { weight: 1, arbitrary: fc.record({ act: act('let 200 ms pass') }) },
)
const schedule = fc
  .tuple(
    fc.array(connect, { minLength: 6, maxLength: 6 }),
    fc.array(fc.oneof({ weight: 3, arbitrary: moment }, { weight: 1, arbitrary: pause }), {
      minLength: stepsPerRun,
      maxLength: stepsPerRun,
    }),
    fc.array(fc.oneof({ weight: 6, arbitrary: moment }, { weight: 1, arbitrary: turn }), { maxLength: 20 }),
  )
  .map(([first, then, last]) => ({ before: [...first, ...then], whileItStops: last }))
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
  /** When the end was complete. */
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
const signals = ['offer', 'candidate']
const relayed = [...signals, 'peer_message', 'mesh_offer', 'broadcast']

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

async function play({ before, whileItStops }: Schedule) {
  const clock = manualClock()
  const { store, hold, letOneGo, letAllGo } = holdableStore(clock)
  const server = await startServer(
    { PARLEY_DEAD_AFTER_SECONDS: '900', PARLEY_ERRORS_PER_MINUTE: '1000000' },
    { clock, store },
  )
  const identities = [await server.signIn(), await server.signIn()]
  const rooms = await Promise.all(identities.map(identity => server.createRoom(identity)))
  const lines: Line[] = []
  const requests: Request[] = []
  const log: string[] = []
  let now = 0

  const unused = await Promise.all(
    [...before, ...whileItStops].filter(({ act }) => act === 'connect').map(() => server.connect()),
  )
  function open(): Line {
    const peer = unused.shift()
    if (!peer) throw new Error('too few connections')
    const { socket, closed } = peer
    const line: Line = {
      number: lines.length,
      socket,
      closed,
      sent: [],
      heard: [],
      ended: Infinity,
      isCut: false,
      bye: Infinity,
      gone: Infinity,
    }
    socket.onmessage = ({ data }) => {
      const text = String(data)
      const heard = { at: ++now, text, message: JSON.parse(text) as Message }
      line.heard.push(heard)
      log.push(`${now} #${line.number} < ${brief(heard.message)}`)
      if (heard.message.type === 'bye') line.bye = now
      if (!isAnswer(heard.message)) return
      const request = requests[Number(String(heard.message.request_id).slice(1))]
      request?.answers.push(heard)
      request?.answered.resolve()
    }
    void closed.then(() => {
      line.gone = ++now
      log.push(`${now} #${line.number} gone`)
    })
    lines.push(line)
    return line
  }

  const inUse = () => lines.filter(({ ended, bye, gone }) => Math.min(ended, bye, gone) === Infinity)
  const pick = (index: number) => inUse()[index % Math.max(1, inUse().length)]

  function send(line: Line, message: Message): Request {
    const n = requests.length
    const member = cargo[message.type]
    const whole = { ...message, ...(member && { [member]: { n } }), request_id: `r${n}` }
    const request = {
      n,
      line,
      at: ++now,
      message: whole,
      answers: [],
      receivers: [],
      answered: Promise.withResolvers<void>(),
    }
    requests.push(request)
    line.sent.push(request)
    line.socket.send(JSON.stringify(whole))
    log.push(`${now} #${line.number} > ${brief(whole)}`)
    return request
  }

  function register(line: Line, { room, isStranger, ...members }: Registration) {
    const { room_id, token } = rooms[room] ?? {}
    const id_token = identities[(names.indexOf(members.peer_id) + Number(isStranger)) % 2]
    send(line, { type: 'register', room_id, token, id_token, ...members })
  }

  /** The name that the line is likely to have. */
  const nameOf = ({ sent }: Line) => sent.findLast(({ message }) => message.type === 'register')?.message.peer_id

  function signed(line: Line, message: Message): Message {
    if (signals.includes(message.type)) return { ...message, sender: nameOf(line) }
    return ['peer_message', 'mesh_connect', 'broadcast'].includes(message.type)
      ? { ...message, from_peer_id: nameOf(line) }
      : message
  }

  /** Asks over every line; resolves when each has answered or is gone, or does not answer at all, with the requests. */
  async function round(type: string): Promise<Request[]> {
    const asked = inUse().map(line => send(line, { type }))
    const { promise: patience, resolve } = Promise.withResolvers<void>()
    const deadline = setTimeout(resolve, 10_000)
    const all = Promise.all(asked.map(({ answered, line }) => Promise.race([answered.promise, line.closed])))
    await Promise.race([all, patience])
    clearTimeout(deadline)
    return asked
  }

  async function perform(step: Schedule['before'][number]) {
    const line = 'line' in step ? pick(step.line) : undefined
    switch (step.act) {
      case 'connect':
        register(open(), step.registration)
        break
      case 'register':
        if (line) register(line, step.registration)
        break
      case 'send':
        if (!line) break
        // A plain peer is not told when it has moved, and then nobody could say whom it may hear.
        if (step.message.type.endsWith('_channel') && !line.sent.every(({ message }) => hasAcks(message))) break
        send(line, step.isSigned ? signed(line, step.message) : step.message)
        break
      case 'chatter':
        if (line) for (let n = 0; n < step.times; n++) send(line, { type: 'update_metadata' })
        break
      case 'close':
      case 'terminate':
        if (!line) break
        line.ended = ++now
        line.isCut = step.act === 'terminate'
        log.push(`${now} #${line.number} ${step.act}`)
        line.socket[step.act]()
        break
      case 'let others do something':
        return new Promise<void>(resolve => setImmediate(resolve))
      case 'await answers':
        letAllGo()
        await round('query')
        break
      case 'hold the store':
        hold()
        break
      case 'let one register go on':
        letOneGo(step.which)
        break
      case 'let 200 ms pass':
        clock.advance(presenceWindow.ms)
        break
    }
  }

  let last: Request[] = []
  const wrong: string[] = []
  let settled = Infinity
  let stopped = Infinity
  try {
    for (const step of before) await perform(step)
    letAllGo()
    // What was sent before the answers to this round has been handled, and what that caused is here after the next one.
    await round('query')
    // That a connection was cut may take a little longer to be noticed.
    for (let n = 0; n < 50; n++) {
      if (differences(await round('discover_peers')).length === 0) break
    }
    clock.advance(presenceWindow.ms)
    last = await round('discover_peers')
    wrong.push(...differences(last))
    settled = ++now
    for (const step of whileItStops) await perform(step)
  } finally {
    stopped = ++now
    await server[Symbol.asyncDispose]()
  }
  await Promise.all(lines.map(({ closed }) => closed))
  return { lines, requests, last, wrong, settled, stopped, log }
}
type Play = Awaited<ReturnType<typeof play>>

// What that means.

const hasAcks = ({ features }: Message) => (features as string[] | undefined)?.includes('acks') ?? true
const isAnswer = ({ request_id, type }: Message) => request_id !== undefined && !signals.includes(type)
const meet = (mine: readonly string[], theirs: readonly string[]) =>
  mine.length + theirs.length === 0 || mine.some(channel => theirs.includes(channel))

const brief = (message: Message) =>
  JSON.stringify(message, (key, value) =>
    /token|servers|^expires|^reason$|connected_at/.test(key) ? undefined : value,
  )

const describe = ({ n, line, message }: Request) => `r${n} of #${line.number} ${brief(message)}`

const outcome = ({ answers: [answer] }: Request) =>
  answer === undefined ? 'none' : answer.message.type === 'error' ? 'refused' : 'done'

/** Who a line speaks for. */
interface Standing {
  /** When this was heard. */
  readonly at: number
  readonly registered: Request
  readonly name: unknown
  readonly room: unknown
  readonly channels: readonly string[]
  readonly metadata: unknown
}

const standingAfter = (request: Request, at: number): Standing => {
  const { peer_id, room_id, channels } = request.message
  return { at, registered: request, name: peer_id, room: room_id, channels: channels as string[], metadata: {} }
}

function moved(standing: Standing, { type, channel }: Message): Standing {
  const others = standing.channels.filter(other => other !== channel)
  return { ...standing, channels: type === 'join_channel' ? [...others, String(channel)] : others }
}

/** Whom the line spoke for, one after the other, as it was told. */
function standings({ heard, sent }: Line): Standing[] {
  const all: Standing[] = []
  for (const { at, message } of heard) {
    const { type, request_id } = message
    const request = sent.find(({ n }) => `r${n}` === request_id)
    const before = all.at(-1)
    if (type === 'registered_auth' && request) all.push(standingAfter(request, at))
    if (type === 'metadata_updated' && before) all.push({ ...before, at, metadata: message.metadata })
    if (type === 'ack' && request?.message.type.endsWith('_channel') && before) {
      all.push({ ...moved(before, request.message), at })
    }
  }
  return all
}

/** Where the answers to a round of `discover_peers` differ from the truth, which they tell when nothing moves. */
function differences(round: readonly Request[]): string[] {
  const listed = ({ answers: [answer] }: Request) => answer?.message.type === 'peer_list'
  const present = round.filter(listed).flatMap(({ line }) => standings(line).at(-1) ?? [])
  return round.filter(listed).flatMap(request => {
    const me = standings(request.line).at(-1)
    const others = present.filter(({ registered }) => registered !== me?.registered)
    const truth = others.filter(other => me && other.room === me.room && meet(other.channels, me.channels))
    const expected = truth.map(({ name, metadata }) => `${name} ${JSON.stringify(metadata)}`).sort()
    const peers = request.answers[0]?.message.peers as Entry[]
    const told = peers.map(({ peer_id, metadata }) => `${peer_id} ${JSON.stringify(metadata)}`).sort()
    return Bun.deepEquals(told, expected) ? [] : `${describe(request)} is told of [${told}]; there are [${expected}]`
  })
}

type Entry = { peer_id: string; metadata: unknown }

/** Everything that should not have happened. */
function faultsOf({ lines, requests, last, wrong, settled, stopped }: Play): string[] {
  const faults: string[] = []
  const told = new Map(lines.map(line => [line, standings(line)]))
  const standingAt = (line: Line, at: number) => told.get(line)?.findLast(standing => standing.at <= at)
  const speakers = new Map(lines.flatMap(line => [...speakersOf(line)]))
  const registers = requests.filter(
    ({ message, ...request }) => message.type === 'register' && outcome({ message, ...request }) !== 'refused',
  )

  /** Whom the line spoke for all the time between two events, if it certainly was one. */
  function steady(line: Line, from: number, to: number): Standing | undefined {
    const standing = standingAt(line, from)
    if (!standing || to > Math.min(line.ended, line.bye, line.gone, stopped)) return undefined
    const isUnderWay = (request: Request, since: number) =>
      request.at < to && (request.answers[0]?.at ?? Infinity) > since
    const moves = line.sent.some(
      request =>
        /register|_channel/.test(request.message.type) && outcome(request) !== 'refused' && isUnderWay(request, from),
    )
    const isChallenged = registers.some(
      request =>
        request !== standing.registered &&
        request.message.peer_id === standing.name &&
        request.message.room_id === standing.room &&
        isUnderWay(request, standing.registered.at),
    )
    return moves || isChallenged ? undefined : standing
  }

  /** When the request has been handled for certain. */
  const doneAt = ({ n, line, answers: [answer] }: Request) =>
    answer?.at ?? line.sent.find(later => later.n > n && later.answers.length > 0)?.answers[0]?.at ?? Infinity

  /** The lines that certainly were where the request had to arrive. */
  function certainReceivers(request: Request): Line[] {
    const [me, ...others] = speakers.get(request) ?? []
    if (!me || others.length > 0) return []
    return lines.filter(line => {
      const other = steady(line, request.at, doneAt(request))
      return other && isFor(request, me, other) && (request.message.type !== 'broadcast' || line !== request.line)
    })
  }

  const mayFail = (request: Request, answer: Heard): boolean => {
    const { line, message } = request
    const speaker = speakers.get(request) ?? []
    switch (answer.message.code) {
      case 'DELIVERY_FAILED':
      case 'PEER_NOT_FOUND':
      case 'PEER_NOT_IN_ROOM': {
        const missed = answer.message.undelivered as unknown[] | undefined
        return certainReceivers(request).every(line => missed && !missed.includes(standingAt(line, request.at)?.name))
      }
      case 'NOT_IN_ROOM':
        return steady(line, request.at, answer.at) === undefined
      case 'SENDER_MISMATCH':
        return speaker.some(({ name }) => name !== (message.sender ?? message.from_peer_id ?? name))
      case 'NOT_IN_CHANNEL':
        return speaker.some(({ channels }) => !channels.includes(String(message.channel)))
      case 'PEER_ID_TAKEN':
        return registers.some(
          other =>
            other.message.peer_id === message.peer_id &&
            other.message.room_id === message.room_id &&
            other.message.id_token !== message.id_token &&
            other.at < answer.at,
        )
      case 'PEER_REPLACED':
        return line.bye < answer.at
      case 'SHUTTING_DOWN':
        return stopped < answer.at
      case 'UNAVAILABLE':
        return message.type === 'register'
      default:
        return false
    }
  }

  for (const line of lines) readLine(line)
  for (const request of requests) judge(request)
  faults.push(...wrong)
  return faults

  /** What a line may hear, and in which order. */
  function readLine(line: Line): void {
    const complain = (heard: Heard, what: string) =>
      faults.push(`#${line.number} ${what}: ${heard.at} ${brief(heard.message)}`)
    const latest = new Map<Line, number>()
    let roster: Map<string, Entry> | undefined
    let joinedAs: unknown
    for (const heard of line.heard) {
      const { message, text, at } = heard
      const { type } = message
      const leave = ({ peer_id }: Entry) =>
        roster?.delete(peer_id) || complain(heard, `is told that ${peer_id} left, which was not there`)
      const join = (peer: Entry) => {
        if (!roster || roster.has(peer.peer_id) || peer.peer_id === joinedAs)
          complain(heard, `is told that ${peer.peer_id} joined, which was there`)
        roster?.set(peer.peer_id, peer)
      }
      const update = (peer: Entry) => {
        if (!roster?.has(peer.peer_id)) complain(heard, `is told of a change of ${peer.peer_id}, which is not there`)
        roster?.set(peer.peer_id, peer)
      }
      if (relayed.includes(type)) {
        const request = requests[Number((message[String(cargo[type])] as { n: number }).n)]
        const me = standingAt(line, at)
        if (!request) return void complain(heard, 'hears what nobody sent')
        request.receivers.push(line)
        if (
          !me ||
          !speakers.get(request)?.some(from => isFor(request, from, me) && text === asRelayed(request, from))
        ) {
          complain(heard, 'hears what is not for it')
        }
        if (request.n <= (latest.get(request.line) ?? -1)) complain(heard, 'hears this too late or again')
        latest.set(request.line, request.n)
        const successor = registers.find(
          ({ message, at, answers: [answer] }) =>
            me &&
            message.peer_id === me.name &&
            message.room_id === me.room &&
            at > me.at &&
            answer &&
            answer.at < request.at &&
            answer.message.type === 'registered_auth',
        )
        if (successor && standingAt(line, at)?.registered !== successor)
          complain(heard, `hears what is for its successor, r${successor.n}`)
      } else if (isAnswer(message)) {
        if (requests[Number(String(message.request_id).slice(1))]?.line !== line)
          complain(heard, 'hears the answer to another')
        if (type === 'registered_auth') {
          roster = message.roster ? new Map((message.roster as Entry[]).map(peer => [peer.peer_id, peer])) : undefined
          joinedAs = message.peer_id
        }
        const isLast = last.some(({ answers }) => answers.includes(heard))
        if (isLast && roster && type === 'peer_list') {
          const known = [...roster.values()].sort((a, b) => (a.peer_id < b.peer_id ? -1 : 1))
          const found = (message.peers as Entry[]).toSorted((a, b) => (a.peer_id < b.peer_id ? -1 : 1))
          if (!Bun.deepEquals(known, found)) complain(heard, `has a wrong roster, ${JSON.stringify(known)}`)
        }
      } else if (type === 'peer_joined') join(message.peer as Entry)
      else if (type === 'peer_left') leave(message as unknown as Entry)
      else if (type === 'peer_updated') update(message.peer as Entry)
      else if (type === 'peers_changed') {
        for (const peer of message.left as Entry[]) leave(peer)
        for (const peer of message.joined as Entry[]) join(peer)
        for (const peer of message.updated as Entry[]) update(peer)
      } else if (type !== 'bye') complain(heard, 'hears what it did not ask for')
    }
  }

  /** Whether the request was answered as it has to be, and the answer is true. */
  function judge(request: Request): void {
    const { line, message, answers, receivers } = request
    const complain = (what: string) =>
      faults.push(
        `${describe(request)} ${what}${answers.map(({ at, message }) => `; ${at} ${brief(message)}`).join('')}`,
      )
    const [answer] = answers
    const reply = peerMessages[message.type as PeerType].reply
    const features = featuresAt(request)
    if (answers.length > 1) complain('is answered more than once')
    const isPromised = reply !== null || features.every(list => list.includes('acks'))
    const isClosedWithCare =
      line.bye < Infinity && line.ended === Infinity && features.every(list => list.includes('acks'))
    const isDue =
      Math.min(line.ended, line.bye) > settled
        ? request.at < settled || isClosedWithCare
        : isClosedWithCare && request.at < line.bye
    if (!answer && isPromised && isDue) complain('is not answered')
    if (answer?.message.type === 'ack' && !features.some(list => list.includes('acks')))
      complain('is acked to a peer without acks')
    if (answer && answer.message.type !== 'error' && answer.message.type !== (reply ?? 'ack'))
      complain('has the wrong answer')
    if (answer?.message.type === 'error' && !mayFail(request, answer)) complain('need not have failed')

    if (!(message.type in cargo) || message.type === 'update_metadata') return
    const failed = answer?.message.type === 'error'
    if (message.type === 'broadcast') {
      if (failed && answer.message.code !== 'DELIVERY_FAILED' && receivers.length > 0)
        complain('failed, but was received')
      if (!failed)
        for (const receiver of certainReceivers(request))
          if (receiver.ended === Infinity && !receivers.includes(receiver))
            complain(`was not received by #${receiver.number}`)
      return
    }
    if (receivers.length > 1) complain('was received more than once')
    if (failed && receivers.length > 0) complain('failed, but was received')
    const isDelivered = answer?.message.type === 'ack' || (!answer && isDue)
    if (isDelivered && receivers.length === 0 && !mayBeLost(request)) complain('was not received')
  }

  /** Whether the connection that a request was handed to may have been ended from this side before it read it. */
  function mayBeLost(request: Request): boolean {
    return requests.some(
      ({ message, line }) =>
        message.type === 'register' &&
        line.ended < Infinity &&
        (line.isCut || line.gone > request.at) &&
        speakers.get(request)?.some(({ room }) => room === message.room_id) &&
        [request.message.target, request.message.to_peer_id, request.message.target_peer_id].includes(message.peer_id),
    )
  }

  /** The features that the server may take for those of the line when it handles the request. */
  function featuresAt(request: Request): string[][] {
    const before = request.line.sent.filter(({ n, message }) => message.type === 'register' && n <= request.n)
    const known = before.findLast(register => outcome(register) === 'done')
    const possible = known
      ? [known, ...before.filter(({ n, ...register }) => n > known.n && outcome({ n, ...register }) === 'none')]
      : before
    return possible.map(({ message }) => message.features as string[])
  }
}

/** For whom each request of the line was sent; several, where an answer that would tell has not come. */
function speakersOf({ sent }: Line): Map<Request, Standing[]> {
  const speakers = new Map<Request, Standing[]>()
  let now: Standing[] = []
  for (const request of sent) {
    speakers.set(request, now)
    const { message, at } = request
    const isMove = message.type.endsWith('_channel')
    if (message.type !== 'register' && !isMove) continue
    const next = isMove ? now.map(from => moved(from, message)) : [standingAfter(request, at)]
    if (outcome(request) === 'done') now = next
    if (outcome(request) === 'none') now = [...now, ...next]
  }
  return speakers
}

/** Whether the request has to reach `to` if it comes from `from`. */
function isFor({ message }: Request, from: Standing, to: Standing): boolean {
  if (from.room !== to.room) return false
  if (message.channel !== undefined)
    return [from, to].every(({ channels }) => channels.includes(String(message.channel)))
  const target = message.target ?? message.to_peer_id ?? message.target_peer_id ?? to.name
  return target === to.name && meet(from.channels, to.channels)
}

/** What its receiver gets. */
function asRelayed({ message }: Request, { name }: Standing): string {
  const { request_id, from_peer_id, target_peer_id, ...rest } = message
  switch (message.type) {
    case 'mesh_connect':
      return JSON.stringify({ type: 'mesh_offer', from_peer_id: name, offer: message.offer })
    case 'peer_message':
    case 'broadcast': {
      const { type, ...others } = rest
      return JSON.stringify({ type, from_peer_id: name, ...others })
    }
    default:
      return JSON.stringify(message.sender === undefined ? { sender: name, ...message } : message)
  }
}

test(`whatever ${runs} times ${stepsPerRun} random acts lead to: what is promised of acks, order, reach and presence holds`, async () => {
  const property = fc.asyncProperty(schedule, async schedule => {
    const story = await play(schedule)
    const faults = faultsOf(story)
    if (faults.length > 0) throw new Error([...faults.slice(0, 5), '', ...story.log.slice(-100)].join('\n'))
  })
  const { failed, seed, errorInstance } = await fc.check(property, { numRuns: runs, interruptAfterTimeLimit: 60_000 })
  if (failed) throw new Error(`with seed ${seed}, and as little as shows it:\n${errorInstance}`)
}, 120_000)
