import type { ErrorCode } from '@parley/protocol'
import { rateLimitKey } from './address.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/** Tells operators of a request or message that was refused, if somebody may have tried what is not theirs. */
export type RefusedAttempt = (client: string, code: ErrorCode, over: 'http' | 'websocket') => void

/** What somebody is told who guesses, asks for what is another's, or asks too often. */
const attempts: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_TOKEN',
  'INVALID_ROOM_TOKEN',
  'ROOM_NOT_FOUND',
  'ROOM_EXPIRED',
  'INVITE_USED',
  'INVITE_EXPIRED',
  'PEER_ID_TAKEN',
  'PEER_REMOVED',
  'FORBIDDEN',
  'SENDER_MISMATCH',
  'RATE_LIMITED',
])

/** Lines in a minute: of one network address, and in all. Anybody can cause them. */
const mostOfAddress = 20
const mostLines = 200
const windowMs = 60_000
/** Addresses that are told apart in a minute. */
const mostAddresses = 10_000
/** Addresses in the line about what was not logged. */
const mostNamed = 10

/** Logs refused attempts for programs that lock addresses out, as docs/security.md says; counts those beyond the limits. */
export function refusedAttempts(clock: Clock, log: Log): RefusedAttempt {
  let lines = 0
  let unlogged = 0
  let isOpen = false
  const ofAddress = new Map<string, number>()

  function end(): void {
    if (unlogged > 0) {
      const most = [...ofAddress]
        .filter(([, count]) => count > mostOfAddress)
        .toSorted(([, a], [, b]) => b - a)
        .slice(0, mostNamed)
        .map(([client, attempts]) => ({ client, attempts }))
      log.info({ attempts: unlogged, addresses: ofAddress.size, most }, 'more attempts refused than are logged')
    }
    lines = unlogged = 0
    isOpen = false
    ofAddress.clear()
  }

  return (client, code, over) => {
    if (!attempts.has(code)) return
    if (!isOpen) clock.after(windowMs, end)
    isOpen = true
    const key = rateLimitKey(client)
    const count = (ofAddress.get(key) ?? 0) + 1
    if (count > 1 || ofAddress.size < mostAddresses) ofAddress.set(key, count)
    if (count > mostOfAddress || lines >= mostLines) {
      unlogged++
      return
    }
    lines++
    log.info({ client, code, over }, 'attempt refused')
  }
}
