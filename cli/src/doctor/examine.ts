import { type Act, both, type CheckResult, type Known, known, make, within } from './check.ts'
import { placeOf, printPlace } from './connect.ts'
import type { DoctorPeer, PlainSocketConstructor } from './doctor-peer.ts'
import {
  checkAddress,
  checkClock,
  checkHealth,
  checkReadiness,
  checkRoom,
  checkSignIn,
  deleteRoom,
  type Room,
} from './http-checks.ts'
import { type Answering, checkIceServer, checkIceServers, iceSilence } from './ice-checks.ts'
import { checkNat } from './nat.ts'
import { silence, Trouble } from './trouble.ts'
import { checkRegistration, checkRoundTrip, checkSignaling, checkWebSocket } from './websocket-checks.ts'

export interface ExamineOptions {
  /** Neither ends with a slash. */
  readonly httpUrl: string
  readonly wsUrl: string
  /** That of the platform, or of the package `ws`. */
  readonly WebSocket: PlainSocketConstructor
  /** Ends the examination. The room is deleted all the same. */
  readonly signal?: AbortSignal
  /** Milliseconds that each check may take. */
  readonly deadline?: number
}

/** Milliseconds for the clean-up after an examination that was broken off: somebody waits for it to end. */
const hurry = 2000

/** Of a check that needs nothing. */
const ready = known(undefined)

/** What has to be undone. */
interface Traces {
  readonly peers: DoctorPeer[]
  room: Room | undefined
}

/**
 * Tries everything that two peers need of a server, in order, and yields a result for each step. What builds on a step
 * that has failed is skipped. Whatever happens, also when the caller leaves early, the connections are closed and the
 * room is deleted.
 * @throws the reason of `signal`; TypeError, if an address is none
 */
export async function* examine(options: ExamineOptions): AsyncGenerator<CheckResult, void> {
  const traces: Traces = { peers: [], room: undefined }
  try {
    yield* examineAll(options, traces)
    yield* cleanUp(options, traces)
  } finally {
    for (const peer of traces.peers) peer.close()
    const { room } = traces
    if (room) {
      const bounds = { deadline: Math.min(hurry, options.deadline ?? hurry), signal: undefined }
      const noAnswer = () => new Trouble('There is no answer.')
      await within(bounds, noAnswer, signal => deleteRoom(options.httpUrl, room, signal)).catch(() => {})
    }
  }
}

async function* examineAll(options: ExamineOptions, traces: Traces): AsyncGenerator<CheckResult, void> {
  const { httpUrl, wsUrl, WebSocket } = options
  const step = stepwise(options.deadline, options.signal)
  const way = { WebSocket, wsUrl, opened: (peer: DoctorPeer) => void traces.peers.push(peer) }
  const http = placeOf(new URL(httpUrl))
  const noHttp = () =>
    silence(printPlace(http), 'It takes connections, but is silent: look at the server, its load and its log.')
  const ws = printPlace(placeOf(new URL(wsUrl)))
  const noWebSocket = () =>
    silence(ws, 'Either a firewall on the way drops it, or what listens there is no WebSocket: check the port (8080).')
  const noReply = () => silence(ws, 'It takes connections, but is silent: look at the server, its load and its log.')

  const address = yield* step(
    'address',
    ready,
    () => silence(printPlace(http)),
    (_, signal) => checkAddress(http, signal),
  )
  const clocks = yield* step('health', address, noHttp, (_, signal) => checkHealth(httpUrl, signal))
  yield* step('clock', clocks, noHttp, checkClock)
  yield* step('readiness', clocks, noHttp, (_, signal) => checkReadiness(httpUrl, signal))
  const idToken = yield* step('sign-in', clocks, noHttp, (_, signal) => checkSignIn(httpUrl, signal))
  const room = yield* step('room', idToken, noHttp, async (token, signal) => {
    const finding = await checkRoom(httpUrl, token, signal)
    traces.room = finding.value
    return finding
  })

  const peer = yield* step('WebSocket', ready, noWebSocket, (_, signal) => checkWebSocket(way, signal))
  const registered = yield* step('registration', both(peer, room), noReply, checkRegistration)
  yield* step('round trip', registered, noReply, checkRoundTrip)
  yield* step('signaling', registered, noReply, (first, signal) => checkSignaling(first, way, signal))

  const targets = yield* step('ICE servers', registered, noReply, checkIceServers)
  const answering: Answering[] = []
  for (const target of targets.isKnown ? targets.value : []) {
    const found = yield* step(target.text, known(target), () => iceSilence(target), checkIceServer)
    if (found.isKnown) answering.push(found.value)
  }
  const answers = targets.isKnown ? known(answering) : targets
  yield* step('NAT', answers, () => new Trouble('The servers do not answer.'), checkNat)
}

async function* cleanUp(options: ExamineOptions, traces: Traces): AsyncGenerator<CheckResult, void> {
  const { httpUrl } = options
  const { room } = traces
  // Tried once.
  traces.room = undefined
  if (!room) return yield { name: 'clean-up', status: 'skipped', detail: 'There is no room to delete.' }
  // The caller who wants no more wants no room left either.
  const step = stepwise(options.deadline, undefined)
  const noAnswer = () => silence(new URL(httpUrl).host, 'Nothing needs to be done: the room ends by itself.')
  yield* step('clean-up', known(room), noAnswer, (room, signal) => deleteRoom(httpUrl, room, signal))
}

/** Makes one check after the other, within the same bounds. */
function stepwise(deadline = 5000, signal: AbortSignal | undefined) {
  return <Needed, Found>(name: string, needs: Known<Needed>, silence: () => Trouble, act: Act<Needed, Found>) =>
    make({ name, needs, silence, act }, { deadline, signal })
}
