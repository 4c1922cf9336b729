import { recordingLog, startServer } from '../server/test/harness.ts'
import { RawWebSocket } from './raw-websocket.ts'
import { type Fault, fault } from './target.ts'

/** As an operator has it, but for the limits that would stop a fuzzer long before it has tried much. */
const settings = {
  PARLEY_PLAIN_PEER_ERRORS: 'register',
  PARLEY_TRUSTED_PROXIES: '127.0.0.1',
  PARLEY_SIGN_INS_PER_MINUTE: '1000000',
  PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '1000000',
  PARLEY_ERRORS_PER_MINUTE: '1000000',
  PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000000',
}

/** The fuzzer stands where a proxy would; this is whom it says that requests come from. */
export const addresses = { victim: '192.0.2.1', attacker: '198.51.100.7' } as const

export interface RoomKey {
  readonly room_id: string
  readonly token: string
}

/** A registered peer that means no harm. */
export interface Victim {
  readonly id: string
  readonly channels: readonly string[]
  readonly features: readonly string[]
  readonly socket: RawWebSocket
}

/** A live server with two rooms that attackers must not disturb: they may enter the first, and know of the second. */
export interface World extends AsyncDisposable {
  readonly http: string
  readonly ws: string
  readonly room: RoomKey
  readonly otherRoom: RoomKey
  /** ID token of the identity that owns both rooms. */
  readonly owner: string
  /** In the room, in this order: with features, plain, in a channel of its own, in another one. */
  readonly victims: readonly Victim[]
  /** In the other room. */
  readonly others: readonly Victim[]
  signIn(): Promise<string>
  connect(address?: string): Promise<RawWebSocket>
  /** Whether the two of each room still reach each other, byte for byte, and the server is well. */
  check(): Promise<Fault | undefined>
}

/** What is in the channels is guessable: it must be the server that keeps others out. */
export const blue = 'blue'
export const secret = 'secret'
/** Its other spelling means the same peer. */
export const firstVictim = 'Zo\u00eb'

export async function openWorld(): Promise<World> {
  const log = recordingLog()
  const server = await startServer(settings, { log })
  const signIn = () => server.signIn()
  const owner = await signIn()
  const room = await server.createRoom(owner, { metadata: { theirs: 1 }, name: 'theirs' })
  const otherRoom = await server.createRoom(owner)
  const connect = (address: string = addresses.attacker) =>
    RawWebSocket.connect(server.ws, { 'X-Forwarded-For': address })

  const enter = async (key: RoomKey, id: string, features: string[] = [], channels: string[] = []): Promise<Victim> => {
    const socket = await connect(addresses.victim)
    await register(socket, { ...key, peer_id: id, id_token: await signIn(), features, channels })
    return { id, channels, features, socket }
  }
  const victims = [
    await enter(room, firstVictim, ['acks', 'presence']),
    await enter(room, 'v-plain'),
    await enter(room, 'v-blue', ['acks'], [blue]),
    await enter(room, 'v-secret', ['acks', 'presence'], [secret]),
  ]
  const others = [await enter(otherRoom, 'v-elsewhere', ['acks']), await enter(otherRoom, 'v-far')]

  return {
    ...{ http: server.http, ws: server.ws, room, otherRoom, owner, victims, others, signIn, connect },
    async check() {
      const unforeseen = log.lines.find(({ level }) => Number(level) >= 50)
      log.lines.length = 0
      if (unforeseen) return fault('unforeseen', JSON.stringify(unforeseen))
      return (await faultBetween(victims)) ?? (await faultBetween(others)) ?? (await faultOfLife(server.http))
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of [...victims, ...others]) socket.cut()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Registers, and takes the answer. @throws Error if it is a refusal */
export async function register(socket: RawWebSocket, members: object): Promise<void> {
  socket.sendText(JSON.stringify({ type: 'register', ...members }))
  await socket.until(texts => texts.length > 0)
  const [answer] = socket.texts.splice(0, 1)
  if (!answer?.includes('"registered_auth"')) throw new Error(`not registered: ${answer}`)
}

let markers = 0

/** What has come until now. All that the server had sent before is in it, as it answers in order. */
export async function settle(socket: RawWebSocket): Promise<string[]> {
  const marker = `marker-${markers++}`
  // Everybody is told what is wrong with a register, plain peers too.
  socket.sendText(JSON.stringify({ type: 'register', request_id: marker }))
  const isAnswer = (text: string) => text.includes(`"request_id":"${marker}"`)
  let seen = 0
  await socket.until(texts => {
    const from = seen
    seen = texts.length
    return texts.slice(from).some(isAnswer)
  })
  const at = socket.texts.findIndex(isAnswer)
  return socket.texts.splice(0, at + 1).slice(0, -1)
}

/** Sends signals between the first two, and says what is wrong with what comes. */
async function faultBetween([a, b]: readonly Victim[]): Promise<Fault | undefined> {
  if (!a || !b) return undefined
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await settle(to.socket)
    const ids = `"sender":${JSON.stringify(from.id)}, "target":${JSON.stringify(to.id)}`
    const sent = ['offer', 'candidate'].map(type => `{"type":"${type}",${ids},"sdp":1.0 ,"n":12345678901234567890}`)
    for (const text of sent) from.socket.sendText(text)
    const answers = await settle(from.socket)
    const received = (await settle(to.socket)).filter(text => text.includes('"n":12345678901234567890'))
    if (!Bun.deepEquals(received, sent)) return fault('witness', `${received} instead of ${sent}, ${answers}`)
  }
  return undefined
}

async function faultOfLife(http: string): Promise<Fault | undefined> {
  const { status } = await fetch(`${http}/livez`)
  return status === 200 ? undefined : fault('livez', String(status))
}
