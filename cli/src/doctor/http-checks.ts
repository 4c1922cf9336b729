import type { Finding } from './check.ts'
import { medianOf, timed } from './check.ts'
import { connect, type Place, printPlace } from './connect.ts'
import { ask, refusal, succeed } from './http.ts'
import { noConnection, printable, Trouble } from './trouble.ts'

/** The room in which the diagnosis happens. */
export interface Room {
  readonly idToken: string
  readonly roomId: string
  readonly token: string
}

/** Seconds that the clocks of server and client may differ: tokens and TURN credentials end by the clock. */
const mostSkew = 60

/** Seconds after which the room ends, if it cannot be deleted. */
const roomTtl = 60

export async function checkAddress(place: Place, signal: AbortSignal): Promise<Finding<void>> {
  const where = printPlace(place)
  const { value: socket, ms } = await timed(() => connect(place, signal)).catch(error => {
    throw noConnection(error, where, {
      refused:
        'Start Parley, or correct the port. If it runs, it may listen on loopback only: set PARLEY_HOST to 0.0.0.0 or ::.',
    })
  })
  const ip = socket.remoteAddress
  const resolved = ip === undefined || ip === place.host ? '' : ` is ${ip} and`
  const detail = `${where}${resolved} takes connections${place.isTls ? ' with TLS' : ''}.`
  return { ms, detail, value: undefined }
}

/** @returns what the clock of the server shows, in seconds, beside ours */
export async function checkHealth(httpUrl: string, signal: AbortSignal): Promise<Finding<Clocks>> {
  const health = { method: 'GET', path: '/health' } as const
  const answer = await ask(httpUrl, health, signal)
  const now = Date.now() / 1000
  const { status, version, timestamp } = answer.body
  if (answer.status !== 200 || status !== 'healthy') throw notParley(httpUrl, answer.status, answer.body.code)
  const { ms, times } = await medianOf(() => ask(httpUrl, health, signal))
  const value = { here: now, there: secondsOf(timestamp) }
  const speed = `the median of ${times} requests`
  if (typeof version === 'string') return { ms, detail: `Parley ${printable(version)} answers; ${speed}.`, value }
  return {
    ...{ status: 'warning', ms, value, detail: `A signaling server without a version answers; ${speed}.` },
    advice: 'It may be the Python server that Parley replaces; not all that follows is known to it.',
  }
}

/** Seconds since the epoch of a time in ISO 8601; the Python server left out that it is UTC. */
function secondsOf(timestamp: unknown): number | undefined {
  if (typeof timestamp !== 'string') return undefined
  const milliseconds = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(timestamp) ? timestamp : `${timestamp}Z`)
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000
}

function notParley(httpUrl: string, status: number, code: unknown): Trouble {
  const { host } = new URL(httpUrl)
  if (code === 'UPGRADE_REQUIRED') {
    return new Trouble(
      `At ${host} there is the WebSocket of Parley, not its HTTP API.`,
      'Give the address of the HTTP API (port 8001).',
    )
  }
  return new Trouble(
    `What is at ${host} answers HTTP, but is not Parley: GET /health answers ${status}.`,
    "Give the address of Parley's HTTP API (port 8001). If there is a proxy, it must pass /health on.",
  )
}

export interface Clocks {
  readonly here: number
  readonly there: number | undefined
}

export async function checkClock({ here, there }: Clocks): Promise<Finding<void>> {
  if (there === undefined) return { status: 'skipped', detail: 'The server does not tell its time.', value: undefined }
  const seconds = Math.round(Math.abs(there - here))
  const detail =
    seconds === 0 ? 'The clocks agree.' : `The server's clock is ${seconds} s ${there > here ? 'ahead' : 'behind'}.`
  if (seconds <= mostSkew) return { detail, value: undefined }
  return {
    ...{ status: 'warning', detail, value: undefined },
    advice: 'Set both clocks by NTP: tokens and TURN credentials end by the clock.',
  }
}

export async function checkReadiness(httpUrl: string, signal: AbortSignal): Promise<Finding<void>> {
  const { value: answer, ms } = await timed(() => ask(httpUrl, { method: 'GET', path: '/readyz' }, signal))
  if (answer.status === 200) return { ms, detail: 'The server may be sent traffic.', value: undefined }
  throw new Trouble(
    `The server says that it is not ready: ${refusal(answer)}.`,
    answer.status === 503
      ? 'It is stopping, or its identity provider or room store does not answer: look into its log.'
      : 'Compare the versions of this program and of the server.',
  )
}

/** @returns the ID token */
export async function checkSignIn(httpUrl: string, signal: AbortSignal): Promise<Finding<string>> {
  const { value, ms } = await timed(() => succeed(httpUrl, { method: 'POST', path: '/anonymous-signin' }, signal))
  if (typeof value.id_token !== 'string') throw new Trouble('POST /anonymous-signin answers without an id_token.')
  return { ms, detail: 'Anonymous sign-in works.', value: value.id_token }
}

export async function checkRoom(httpUrl: string, idToken: string, signal: AbortSignal): Promise<Finding<Room>> {
  const body = { name: 'parley doctor', ttl_seconds: roomTtl, max_peers: 2 }
  const request = { method: 'POST', path: '/create-room', idToken, body } as const
  const { value, ms } = await timed(() => succeed(httpUrl, request, signal))
  const { room_id: roomId, token } = value
  if (typeof roomId !== 'string' || typeof token !== 'string') {
    throw new Trouble('POST /create-room answers without room_id and token.')
  }
  return { ms, detail: 'A room for this diagnosis was made.', value: { idToken, roomId, token } }
}

export async function deleteRoom(
  httpUrl: string,
  { idToken, roomId }: Room,
  signal: AbortSignal,
): Promise<Finding<void>> {
  const path = `/rooms/${encodeURIComponent(roomId)}`
  const { value: answer, ms } = await timed(() => ask(httpUrl, { method: 'DELETE', path, idToken }, signal))
  // Or it has ended by itself.
  if ([204, 404, 410].includes(answer.status)) return { ms, detail: 'The room is gone again.', value: undefined }
  throw new Trouble(
    `The room could not be deleted: ${refusal(answer)}.`,
    `Nothing needs to be done: it ends by itself ${roomTtl} s after it was made.`,
  )
}
