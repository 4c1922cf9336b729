import { SignalingError } from '@parley/protocol'
import pino from 'pino'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** A structured log: events with ids, one JSON object a line. Never SDP, candidates, tokens or payloads. */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  /** Writes out what is still buffered. */
  flush(): void
}

/**
 * Logs to standard error, which leaves standard output to the start-up message. Lines are gathered and written at
 * least every 100 ms, as a write for each would cost more than a registration.
 */
export function openLog(level: LogLevel): Log {
  const destination = pino.destination({ dest: 2, sync: false, minLength: 4096, periodicFlush: 100 })
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  return Object.assign(log, { flush: () => destination.flushSync() })
}

/**
 * Logs what an error tells nobody else: the whole cause of an unforeseen one, and why a service is unavailable.
 * Everything else is the business of the one who was answered, and stands in the log from `debug` on.
 */
export function logFailure(log: Log, { code, cause }: SignalingError, context: object): void {
  if (code === 'INTERNAL') log.error({ ...context, err: cause }, 'unforeseen error')
  else if (code === 'UNAVAILABLE') log.warn({ ...context, cause: reasons(cause) }, 'service unavailable')
  else log.debug({ ...context, code }, 'refused')
}

/** What an error says, and below a SignalingError, which tells others no more than they need to know, its cause, too. */
export function reasons(error: unknown): string {
  if (!(error instanceof SignalingError) || error.cause === undefined) return String(error)
  return `${error.message} ${reasons(error.cause)}`
}
