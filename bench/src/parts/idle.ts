import { createRoom, eachOf, type RoomKey, register, registerFrame, signIn } from '../load/peers.ts'
import { openWire, type Wire } from '../load/wire.ts'
import type { Plan } from '../plan.ts'
import { type Subject, startBareRelay, startParley, temporaryFolder } from '../processes.ts'

export interface IdleResult {
  /** What the peers have asked for. */
  readonly features: readonly string[]
  readonly connections: number
  readonly roomSize: number
  /** Seconds from opening the first connection to the last handshake. */
  readonly connectSeconds: number
  /** Seconds from the first `register` sent to the last `registered_auth` received. */
  readonly registerSeconds: number
  /** CPU seconds of the server meanwhile. */
  readonly registerCpu: number
  /** Slowest registration, milliseconds from when it was sent. */
  readonly slowestRegistration: number
  /** Resident memory above the empty server, in KiB for each connection. */
  readonly kibPerConnection: number
  readonly bareKibPerConnection: number
  /** Resident memory in KiB: before, right after the last registration, and when it had settled. */
  readonly residentKib: { readonly empty: number; readonly peak: number; readonly settled: number }
}

const http = (subject: Subject): string => subject.http ?? ''

/**
 * Registers `plan.connections` peers, each with an identity of its own, and weighs the server before and after. The
 * server is a fresh one: the sign-ins were served by a predecessor on the same data folder, so that what they leave
 * in memory is in neither weight. What it does once for all, such as compiling, comes before the first weighing:
 * `plan.warmUps` peers have registered and left by then, in a room that was deleted.
 */
export async function measureIdle(
  plan: Plan['idle'],
  features: readonly string[],
  say: (line: string) => void,
): Promise<IdleResult> {
  const folder = temporaryFolder()
  say(`signing in ${plan.connections} identities`)
  const prepared = await prepare(folder, plan, features)

  const parley = await startParley(folder)
  await warmUp(parley, prepared.warmUp, plan.warmUps)
  const empty = await settledKib(parley, plan.settleSeconds)

  say(`connecting and registering ${plan.connections} peers`)
  const connectBegin = performance.now()
  const wires = await eachOf(plan.connections, plan.atOnce, () => openWire(parley.ws))
  const connectSeconds = (performance.now() - connectBegin) / 1000

  const cpuBegin = parley.cpuSeconds()
  const begin = performance.now()
  let slowestRegistration = 0
  await eachOf(plan.connections, plan.registeringAtOnce, async index => {
    const sent = performance.now()
    await register(wires[index] as Wire, prepared.frames[index] as Buffer)
    slowestRegistration = Math.max(slowestRegistration, performance.now() - sent)
  })
  const registerSeconds = (performance.now() - begin) / 1000
  const registerCpu = parley.cpuSeconds() - cpuBegin
  const peak = parley.residentKib()
  const settled = await settledKib(parley, plan.settleSeconds)
  if (wires.some(({ open }) => !open)) throw new Error('the server closed idle connections')
  for (const wire of wires) wire.close()
  await parley.stop()

  const bareKibPerConnection = await weighBare(folder, plan, say)
  return {
    features,
    connections: plan.connections,
    roomSize: plan.roomSize,
    connectSeconds,
    registerSeconds,
    registerCpu,
    slowestRegistration,
    kibPerConnection: (settled - empty) / plan.connections,
    bareKibPerConnection,
    residentKib: { empty, peak, settled },
  }
}

/** Everything that a registration needs, made by a server that is stopped again. */
async function prepare(folder: string, plan: Plan['idle'], features: readonly string[]) {
  const parley = await startParley(folder)
  const tokens = await eachOf(plan.connections, 32, () => signIn(http(parley)))
  const rooms = await eachOf(Math.ceil(plan.connections / plan.roomSize), 8, index =>
    createRoom(http(parley), tokens[index] as string),
  )
  const frames = tokens.map((token, index) =>
    registerFrame(`peer-${index}`, rooms[Math.floor(index / plan.roomSize)] as RoomKey, token, { features }),
  )
  const [creator = ''] = tokens
  const warmUp = { room: await createRoom(http(parley), creator), creator }
  await parley.stop()
  return { frames, warmUp }
}

async function warmUp(parley: Subject, { room, creator }: { room: RoomKey; creator: string }, cycles: number) {
  await eachOf(cycles, 16, async index => {
    const wire = await openWire(parley.ws)
    await register(wire, registerFrame(`warm-${index}`, room, creator))
    wire.close()
  })
  const deleted = await fetch(`${http(parley)}/delete-peers-and-room`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${creator}` },
    body: JSON.stringify({ room_id: room.room_id }),
  })
  if (!deleted.ok) throw new Error(`the warm-up's room was not deleted: ${deleted.status}`)
}

async function weighBare(folder: string, plan: Plan['idle'], say: (line: string) => void): Promise<number> {
  say(`connecting ${plan.connections} to the bare relay`)
  const bare = await startBareRelay(folder)
  await eachOf(plan.warmUps, 16, async index => (await openWire(bare.ws, `/warm-${index}-a`)).close())
  const empty = await settledKib(bare, plan.settleSeconds)
  const wires = await eachOf(plan.connections, plan.atOnce, index =>
    openWire(bare.ws, `/${Math.floor(index / 2)}-${index % 2 ? 'b' : 'a'}`),
  )
  const settled = await settledKib(bare, plan.settleSeconds)
  for (const wire of wires) wire.close()
  await bare.stop()
  return (settled - empty) / plan.connections
}

/**
 * Resident memory in KiB once it has stood still, within 1 %, for `seconds`: the collector gives memory back in steps.
 * After four times as long, whatever it is.
 */
async function settledKib(subject: Subject, seconds: number): Promise<number> {
  const begin = performance.now()
  let level = subject.residentKib()
  let since = begin
  while (performance.now() - since < seconds * 1000 && performance.now() - begin < 4 * seconds * 1000) {
    await Bun.sleep(seconds * 50)
    const now = subject.residentKib()
    if (Math.abs(now - level) <= level * 0.01) continue
    level = now
    since = performance.now()
  }
  return subject.residentKib()
}
