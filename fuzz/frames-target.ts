import { clientFrame } from '../server/test/raw-connection.ts'
import { isObject, type Json, nfc } from './contract.ts'
import { fragments } from './fragments.ts'
import { type Answer, type Frame, type Member, meet, predict, sort } from './frames-model.ts'
import { noUtf8 } from './json.ts'
import { frame, type Vocabulary } from './messages.ts'
import { Random } from './random.ts'
import type { RawWebSocket } from './raw-websocket.ts'
import { faultOfRegistrations } from './registrations.ts'
import { shrink } from './shrink.ts'
import { type Fault, fault, type Run, type Target } from './target.ts'
import { faultOfViolations } from './violations.ts'
import { blue, firstVictim, openWorld, register, secret, settle, type Victim, type World } from './world.ts'

/** One frame of an attacker, and the bytes that it is sent as. */
interface Item {
  readonly from: number
  readonly frame: Frame
  readonly wire: Buffer
}

const framesPerCase = 1000
/** So many at a time, that no queue of the server's fills up. */
const framesAtOnce = 100
/** More would close a connection that has not registered. */
const unregisteredBytes = 64 * 1024
/** Cases after which a new server is started, so that what it keeps does not slow it down. */
const casesPerWorld = 200

/** Frames on a live server, from peers of each sort at once. A case is a thousand of them, and what is no frame at all. */
export const framesTarget: Target = {
  name: 'frames',
  async run(run) {
    const { seed, first, begin, count } = run
    let world = await openWorld()
    try {
      for (let at = first; begin(at); at++) {
        if (at > first && (at - first) % casesPerWorld === 0) {
          await world[Symbol.asyncDispose]()
          world = await openWorld()
        }
        const random = new Random(seed, at)
        const items = makeItems(random, world, at)
        const found = await faultOfFrames(world, items, at)
        if (found) return { at, ...(await smallest(run, at, found)) }
        count(items.length)
        const other =
          (await faultOfRegistrations(random, world, at, count)) ?? (await faultOfViolations(random, world, count))
        if (other) return { at, fault: other, input: '(see above)' }
        const after = await world.check()
        if (after) return { at, fault: after, input: '(the whole case)' }
      }
      return undefined
    } finally {
      await world[Symbol.asyncDispose]()
    }
  },
}

/** The fewest frames of the case that have a fault of the same kind. */
async function smallest({ seed, shrinkFor, alive }: Run, at: number, found: Fault) {
  let last = { fault: found, input: '(the whole case)' }
  let world = await openWorld()
  const fails = async (numbers: readonly number[]) => {
    alive()
    const items = makeItems(new Random(seed, at), world, at)
    const some = numbers.flatMap(n => items[n] ?? [])
    const result = await faultOfFrames(world, some, at)
    if (result?.kind !== found.kind) return false
    last = { fault: result, input: show(some, at) }
    // Whatever is broken now must not count for the next try.
    await world[Symbol.asyncDispose]()
    world = await openWorld()
    return true
  }
  await shrink([...Array(framesPerCase).keys()], fails, shrinkFor)
  await world[Symbol.asyncDispose]()
  return last
}

function show(items: readonly Item[], at: number): string {
  const lines = items.map(({ from, frame }) => `${nameOf(from, at)}: ${JSON.stringify(frame.toString()).slice(0, 300)}`)
  return [...lines.slice(0, 20), ...(lines.length > 20 ? ['…'] : [])].join('\n    ')
}

/** A name with two spellings, of which the second one means the same peer. */
const nameOf = (attacker: number, at: number) => `\u00e1${attacker}-${at}`

/** As many channels as there may be, but for one. */
const manyChannels = [blue, ...Array.from({ length: 30 }, (_, n) => `c${n}`)]
/** In each fourth case the second attacker is in them at first. */
const startChannels = (attacker: number, at: number) =>
  attacker === 1 && at % 4 === 3 ? { channels: manyChannels } : {}

/** Who attacks: the first has not registered, and the second alone changes its channels. */
const attackers = [
  { isRegistered: false, isSettled: true, features: [], channels: [] },
  { isRegistered: true, isSettled: false, features: ['acks', 'presence', 'channels', 'token-refresh'], channels: [] },
  { isRegistered: true, isSettled: true, features: [], channels: [] },
  { isRegistered: true, isSettled: true, features: ['acks'], channels: [blue] },
  { isRegistered: true, isSettled: true, features: ['acks', 'presence'], channels: [] },
]

function membersOf(at: number): Member[] {
  return attackers.map((attacker, n) => ({ ...attacker, ...startChannels(n, at), id: nameOf(n, at), isVictim: false }))
}

function makeItems(random: Random, { room, otherRoom }: World, at: number): Item[] {
  const everybody = [firstVictim, 'Zoe\u0308', 'v-plain', 'v-blue', 'v-secret', 'v-elsewhere', 'nobody']
  const names = attackers.map((_, n) => nameOf(n, at))
  const channels = [blue, secret, secret, 'cafe\u0301', 'caf\u00e9', 'c1', 'c2', `d${at % 3}`, `d${at % 2}`]
  const ids = { rooms: [room.room_id, otherRoom.room_id], tokens: [room.token, 'wrong'], idTokens: ['wrong'] }
  return Array.from({ length: framesPerCase }, () => {
    const from = random.below(attackers.length)
    const words: Vocabulary = {
      ...ids,
      channels,
      peers: [...everybody, ...everybody, ...names],
      self: [nameOf(from, at), nameOf(from, at).normalize('NFD')],
    }
    return makeItem(random, from, words)
  })
}

function makeItem(random: Random, from: number, words: Vocabulary): Item {
  // As text goes over the wire: without halves of surrogate pairs.
  const text = random.oneIn(3000)
    ? `{"type":"offer","target":"${firstVictim}","sdp":"${'0123456789'.repeat(random.below(60_000))}"}`
    : frame(random, words).toWellFormed()
  const bytes = Buffer.from(text)
  const isLong = bytes.length > (from === 0 ? unregisteredBytes : 1024 * 1024)
  if (isLong) return { from, frame: '{}', wire: clientFrame(1, Buffer.from('{}')) }
  switch (random.below(16)) {
    case 0:
      return { from, frame: bytes, wire: clientFrame(2, bytes) }
    case 1: {
      const at = random.below(bytes.length + 1)
      const broken = Buffer.concat([bytes.subarray(0, at), random.pick(noUtf8), bytes.subarray(at)])
      return { from, frame: broken, wire: clientFrame(2, broken) }
    }
    case 2:
    case 3:
      return { from, frame: text, wire: fragments(random, bytes) }
    default:
      return { from, frame: text, wire: clientFrame(1, bytes) }
  }
}

const asMember = ({ id, features, channels }: Victim): Member => ({
  ...{ id, features, channels, isRegistered: true, isSettled: true, isVictim: true },
})

/** Sends what `items` say and holds what comes of it, at each peer, against the model. */
async function faultOfFrames(world: World, items: readonly Item[], at: number): Promise<Fault | undefined> {
  const members = membersOf(at)
  const room = [...world.victims.map(asMember), ...members.filter(({ isRegistered }) => isRegistered)]
  const sockets = await Promise.all(members.map(() => world.connect()))
  const due = new Map<Member, { answers: Answer[]; copies: Map<Member, string[]> }>()
  for (const member of [...room, ...members]) due.set(member, { answers: [], copies: new Map() })
  try {
    for (const [n, { id, isRegistered, features, channels }] of members.entries()) {
      const socket = sockets[n]
      if (!isRegistered || !socket) continue
      await register(socket, { ...world.room, peer_id: id, id_token: await world.signIn(), features, channels })
    }
    for (const { socket } of world.victims) await settle(socket)
    const heard = new Map<Member, string[]>(members.map(member => [member, []]))
    for (let start = 0; start < items.length; start += framesAtOnce) {
      const wires: Buffer[][] = members.map(() => [])
      for (const { from, frame, wire } of items.slice(start, start + framesAtOnce)) {
        const sender = members[from]
        const outcome = sender && predict(sender, frame, room)
        if (!outcome) continue
        wires[from]?.push(wire)
        due.get(sender)?.answers.push(...outcome.answers)
        for (const [to, text] of outcome.deliveries) {
          const copies = due.get(to)?.copies ?? new Map<Member, string[]>()
          copies.set(sender, [...(copies.get(sender) ?? []), text])
        }
      }
      for (const [n, socket] of sockets.entries()) socket.write(Buffer.concat(wires[n] ?? []))
      for (const [n, member] of members.entries())
        heard.get(member)?.push(...(await settle(sockets[n] as RawWebSocket)))
    }
    // What the last of them sent to the first.
    for (const [n, member] of members.entries()) heard.get(member)?.push(...(await settle(sockets[n] as RawWebSocket)))
    for (const [n, victim] of world.victims.entries()) heard.set(room[n] as Member, await settle(victim.socket))
    for (const [member, texts] of heard) {
      const found = faultOfHearing(member, texts, room, due.get(member) ?? { answers: [], copies: new Map() })
      if (found) return found
    }
    for (const { socket } of world.others) {
      const texts = await settle(socket)
      if (texts.length > 0) return fault('other room', texts.join())
    }
    return await world.check()
  } catch (error) {
    return fault('ended', `${error}`)
  } finally {
    await Promise.all(sockets.map(socket => socket.close()))
  }
}

/** What is wrong with what `member` was sent. */
function faultOfHearing(
  member: Member,
  texts: readonly string[],
  room: readonly Member[],
  due: { answers: readonly Answer[]; copies: ReadonlyMap<Member, readonly string[]> },
): Fault | undefined {
  const { fromOthers, events, answers } = sort(texts)
  for (const { text, sender } of fromOthers) {
    if (!room.some(({ id, isVictim }) => nfc(id) === sender && !isVictim))
      return fault('sender', `${member.id}: ${text}`)
  }
  for (const sender of room) {
    if (!member.isSettled && sender !== member) continue
    const got = fromOthers.filter(copy => copy.sender === nfc(sender.id)).map(({ text }) => text)
    const expected = due.copies.get(sender) ?? []
    const n = got.findIndex((text, index) => text !== expected[index])
    if (n >= 0) return fault('relayed', `to ${member.id}: ${got[n]}, not ${expected[n]}`)
    if (got.length < expected.length) return fault('lost', `to ${member.id}: ${expected[got.length]}`)
  }
  const n = answers.findIndex((message, index) => !due.answers[index]?.fits(message))
  if (n >= 0) return fault('answer', `to ${member.id}: ${JSON.stringify(answers[n])}, not ${due.answers[n]?.due}`)
  if (answers.length < due.answers.length) return fault('unanswered', `${due.answers[answers.length]?.due}`)
  return faultOfEvents(member, events, room)
}

/** Presence is for those who asked for it, and tells them of nobody whom they may not know of. */
function faultOfEvents(member: Member, events: readonly Json[], room: readonly Member[]): Fault | undefined {
  if (events.length > 0 && !member.features.includes('presence')) return fault('presence', JSON.stringify(events[0]))
  const hidden = room.filter(other => other.isSettled && member.isSettled && !meet(other, member)).map(({ id }) => id)
  const names = (value: unknown): string[] => {
    if (Array.isArray(value)) return value.flatMap(names)
    if (!isObject(value)) return []
    return typeof value.peer_id === 'string' ? [value.peer_id] : names(Object.values(value))
  }
  const wrong = events.find(event => names(event).some(id => hidden.includes(id)))
  return wrong && fault('presence', `to ${member.id}: ${JSON.stringify(wrong)}`)
}
