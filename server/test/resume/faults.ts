import { answeredBy, brief, cargo, isSignal } from './messages.ts'
import type { Heard, Message, Request, Session, Story } from './story.ts'

/** One peer as presence tells of it. */
type Entry = { readonly peer_id: string }

const presence = ['peer_joined', 'peer_left', 'peer_updated', 'peers_changed']
const isAnswer = (message: Message) => message.request_id !== undefined && !isSignal(message)
const codeOf = ({ answers: [answer] }: Request) => answer?.message.code
const isTaken = ({ answers: [answer] }: Request) => ['delivered', 'held'].includes(String(answer?.message.status))
const targetOf = ({ message: { target, to_peer_id } }: Request) => target ?? to_peer_id
const show = ({ n, session, message, answers }: Request) =>
  `r${n} of ${session} ${brief(message)} ${answers.map(({ text }) => text).join(' and ')}`

/** What its receivers get, byte for byte. */
function asRelayed({ message, text, session: { name } }: Request): string {
  const { type, request_id, ...rest } = message
  return cargo[type] === 'payload' ? JSON.stringify({ type, from_peer_id: name, ...rest }) : text
}

/** Channels that the session was in all the while between two events; undefined where that changed, or may have. */
function channelsOf(session: Session, requests: readonly Request[], from: number, to: number) {
  const channels = new Set(session.channels)
  for (const request of requests) {
    const { message, at, answers } = request
    if (request.session !== session || !/^(join|leave)_channel$/.test(message.type) || at > to) continue
    if ((answers[0]?.at ?? Infinity) >= from) return undefined
    if (!isTaken(request)) continue
    if (message.type === 'join_channel') channels.add(String(message.channel))
    else channels.delete(String(message.channel))
  }
  return channels
}
type Channels = ReturnType<typeof channelsOf>

const meet = (mine: Channels, theirs: Channels) =>
  mine !== undefined && theirs !== undefined && (mine.size + theirs.size === 0 || !mine.isDisjointFrom(theirs))

/** The sessions that the request had to reach, for certain, of those that were not over before `until`. */
function certainReceivers(request: Request, { sessions, requests }: Story, until: number): Session[] {
  const { session: from, message, at, answers } = request
  const to = answers[0]?.at ?? until
  const mine = channelsOf(from, requests, at, to)
  return sessions.filter(other => {
    const isThere = (other.auth?.at ?? Infinity) < at && other.overAt > until && other.room === from.room
    const isMeant = message.type === 'broadcast' ? other.name !== from.name : other.name === targetOf(request)
    if (!isThere || !isMeant) return false
    const theirs = channelsOf(other, requests, at, to)
    const { channel } = message
    if (channel === undefined) return meet(mine, theirs)
    return mine?.has(String(channel)) === true && theirs?.has(String(channel)) === true
  })
}

/** Whether it may reach this session at all. */
function isFor(request: Request, to: Session, { requests }: Story): boolean {
  const { session: from, message } = request
  if (from.room !== to.room) return false
  if (message.type !== 'broadcast') return to.name === targetOf(request)
  if (from.name === to.name) return false
  const { channel } = message
  const wanted = ({ session, message: { type, channel: other } }: Request) =>
    session === to && type === 'join_channel' && other === channel
  return channel === undefined || to.channels.includes(String(channel)) || requests.some(wanted)
}

/** 1. What is relayed comes as it was sent, once, in the order of its sender, and to those alone that it is for. */
export function* wrongDeliveries(story: Story): Generator<string> {
  const receivers = new Map<Request, Session[]>()
  for (const session of story.sessions) {
    const latest = new Map<Session, number>()
    for (const { at, message, text } of session.heard) {
      const member = cargo[message.type]
      if (isAnswer(message) || !member) continue
      const heard = `${session} at ${at} ${text}`
      const request = story.requests[(message[member] as { n: number }).n]
      if (!request || !isFor(request, session, story) || asRelayed(request) !== text) {
        yield `not for it, or not as it was sent: ${heard}`
        continue
      }
      const before = receivers.get(request) ?? []
      if (before.some(({ name }) => name === session.name)) yield `came twice: ${heard}`
      receivers.set(request, [...before, session])
      if (request.n <= (latest.get(request.session) ?? -1)) yield `too late, or again: ${heard}`
      latest.set(request.session, request.n)
    }
  }
  for (const request of story.requests) {
    if (!isTaken(request) || !cargo[request.message.type] || request.at > story.quietAt) continue
    for (const session of certainReceivers(request, story, story.quietAt)) {
      if (!receivers.get(request)?.includes(session)) yield `never came to ${session}: ${show(request)}`
    }
  }
}

/** 2. Each request has one answer, or none if its session was over before; in the order of the requests, while that lasts. */
export function* wrongAnswers(story: Story): Generator<string> {
  for (const request of story.requests) {
    const { session, answers, message } = request
    if (answers.length > 1) yield `answered twice: ${show(request)}`
    const isAwaited = message.request_id !== undefined && session.overAt > story.quietAt && !request.opens
    if (isAwaited && answers.length === 0 && request.at < story.quietAt) yield `not answered: ${show(request)}`
    if (answers[0]?.message.type === 'error' && !mayBeRefused(request, answers[0], story))
      yield `refused without a reason: ${show(request)}`
  }
  for (const session of story.sessions) {
    let latest = -1
    for (const { message, text, at } of session.heard) {
      // What is refused from now on does not wait for what is being done.
      if (message.type === 'bye') break
      const n = answeredBy(message)
      if (n === undefined) continue
      if (n < latest) yield `answered after a later one: ${session} at ${at} ${text}`
      latest = n
    }
  }
}

function mayBeRefused(request: Request, answer: Heard, story: Story): boolean {
  const { session, message, opens } = request
  const code = String(codeOf(request))
  const missed = (answer.message.undelivered as unknown[] | undefined) ?? [targetOf(request)]
  switch (code) {
    case 'PEER_NOT_FOUND':
    case 'PEER_NOT_IN_ROOM':
      return certainReceivers(request, story, answer.at).length === 0
    case 'DELIVERY_FAILED':
    case 'PEER_AWAY':
      return certainReceivers(request, story, answer.at).every(
        receiver => !missed.includes(receiver.name) || story.mayHaveTooMuch(receiver),
      )
    case 'NOT_IN_CHANNEL':
      return channelsOf(session, story.requests, request.at, request.at)?.has(String(message.channel)) !== true
    case 'INVALID_ROOM_TOKEN':
      return message.token === 'wrong'
    case 'ROOM_NOT_FOUND':
    case 'ROOM_DELETED':
      return story.deletedAt.has(opens?.room ?? session.room)
    // A service that is asked for it, and time that goes on meanwhile.
    case 'UNAVAILABLE':
      return opens !== undefined || message.type === 'renew'
    case 'UNKNOWN_MESSAGE_TYPE':
      return message.type === 'unknown'
    case 'INVALID_TOKEN':
      return message.id_token === 'nonsense'
    case 'NOT_IN_ROOM':
      return !session.auth || session.overAt < answer.at
    case 'PEER_REPLACED':
    case 'REGISTER_TIMEOUT':
      return session.overAt < Infinity
    case 'SHUTTING_DOWN':
      return story.stoppedAt < Infinity
    default:
      return false
  }
}

/** The roster of a session as presence has told it, and what was wrong with that. */
export function replayRoster({ auth, heard }: Session): { roster: Map<string, Entry>; wrong: string[] } {
  const wrong: string[] = []
  const roster = new Map<string, Entry>()
  for (const peer of (auth?.message.roster ?? []) as Entry[]) roster.set(peer.peer_id, peer)
  for (const { at, message, text } of heard) {
    if (!presence.includes(message.type)) continue
    const list = (name: string, type: string) =>
      (message[name] ?? (message.type === type ? [message.peer ?? message] : [])) as Entry[]
    const blame = ({ peer_id }: Entry, what: string) => wrong.push(`${peer_id} ${what}: at ${at} ${text}`)
    for (const peer of list('left', 'peer_left')) if (!roster.delete(peer.peer_id)) blame(peer, 'was not there')
    for (const peer of list('joined', 'peer_joined')) {
      if (roster.has(peer.peer_id)) blame(peer, 'was there')
      roster.set(peer.peer_id, peer)
    }
    for (const peer of list('updated', 'peer_updated')) {
      if (!roster.has(peer.peer_id)) blame(peer, 'was not there')
      roster.set(peer.peer_id, peer)
    }
  }
  return { roster, wrong }
}

/** 3. Nobody is told of a change that cannot be. */
export function* wrongRosters({ sessions }: Story): Generator<string> {
  for (const session of sessions) for (const wrong of replayRoster(session).wrong) yield `${session}: ${wrong}`
}

/** 3. When all is quiet, each roster is what the server says, and those are in it that are in reach. */
export function* untrueRosters(present: readonly Session[], { requests, now }: Story): Generator<string> {
  for (const session of present) {
    if (session.isPlain) continue
    const mine = channelsOf(session, requests, now, now)
    const others = present.filter(
      other => other !== session && other.room === session.room && meet(mine, channelsOf(other, requests, now, now)),
    )
    const inReach = others.map(({ name }) => name).sort()
    const { roster } = replayRoster(session)
    const told = session.heard.findLast(({ message }) => message.type === 'peer_list')?.message.peers as Entry[]
    if (!Bun.deepEquals(new Map(told.map(peer => [peer.peer_id, peer])), roster))
      yield `${session} believes in ${JSON.stringify([...roster.values()])}, and is told of ${JSON.stringify(told)}`
    if (inReach.join() !== [...roster.keys()].sort().join())
      yield `${session} believes in ${[...roster.keys()]}, and ${inReach} are in reach`
  }
}

/** 5. A plain peer is sent what it knows, and nothing else. */
export function* wrongForPlainPeers({ sessions }: Story): Generator<string> {
  const known = ['registered_auth', 'error', 'offer', 'candidate', 'peer_message', 'broadcast']
  for (const session of sessions) {
    if (!session.isPlain) continue
    // It asks for these at the end.
    for (const { message, text } of session.heard)
      if (!known.includes(message.type) && message.type !== 'available_peers') yield `${session} is sent ${text}`
  }
}

/** All that can be said of a story that is over. */
export function faultsIn(story: Story): string[] {
  const checks = [wrongDeliveries, wrongAnswers, wrongRosters, wrongForPlainPeers]
  return [...story.faults, ...checks.flatMap(check => [...check(story)])]
}
