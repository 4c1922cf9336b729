import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Counts a page that was refused for its origin, and tells operators. */
export type RefusedOrigin = (origin: string, over: 'http' | 'websocket') => void

/** Origins that are remembered as told. */
const mostRemembered = 1000
/** Lines in one window: anybody can make up origins. */
const mostLines = 20
const windowMs = 600_000
/** Characters of an origin in the log. */
const mostShown = 200

/**
 * Logs each origin once, as its page is told nothing of the cause and its users can only call the operator. A flood of
 * origins takes neither memory nor lines without end.
 */
export function refusedOrigins(clock: Clock, log: Log, metrics: Metrics): RefusedOrigin {
  const told = new Set<string>()
  let window = 0
  let lines = 0
  return (origin, over) => {
    metrics.originsRefused[over]++
    const shown = origin.slice(0, mostShown)
    if (told.has(shown)) return
    const now = Math.floor(clock.now() / windowMs)
    if (now !== window) lines = 0
    window = now
    if (++lines > mostLines) {
      if (lines === mostLines + 1)
        log.warn({}, 'more origins refused than are logged; parley_origins_refused_total counts them')
      return
    }
    const [oldest = ''] = told
    if (told.size >= mostRemembered) told.delete(oldest)
    told.add(shown)
    log.warn({ origin: shown, over }, 'page refused: to let it in, add its origin to PARLEY_ALLOWED_ORIGINS')
  }
}
