import { SignalingError } from '@parley/protocol'
import pino from 'pino'
import { type Clock, systemClock } from './clock.ts'
import { LineOutput } from './line-output.ts'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof logFormats)[number]

/** Makes of a line of JSON what is written in its place. */
export type Render = (line: string) => string
const asJson: Render = line => line

/**
 * A structured log: events with ids. Never SDP, candidates, tokens or payloads. No call of it blocks
 * or throws, wherever the lines go.
 */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  /** Lines that could not be written, since the start. */
  droppedLines(): number
  /** Writes out what still waits. Resolves after so many milliseconds at the latest, and never rejects. */
  flush(within: number): Promise<void>
}

/** Standard error, which leaves standard output to the start-up message. Says itself how many lines it had to drop. */
export const standardError = (clock: Clock, render: Render = asJson): LineOutput =>
  new LineOutput(2, clock, lines => {
    const time = new Date(clock.now()).toISOString()
    return render(`${JSON.stringify({ level: pino.levels.values.warn, time, lines, msg: 'log lines dropped' })}\n`)
  })

/** Opens a log of what is at least as grave as `level`. */
export function openLog(
  level: LogLevel,
  output: LineOutput = standardError(systemClock),
  render: Render = asJson,
): Log {
  const hooks: pino.LoggerOptions['hooks'] = {
    logMethod(args, method) {
      try {
        method.apply(this, args)
      } catch {
        // What is logged may have a getter that throws, an error of a library for instance.
        output.drop()
      }
    },
  }
  const destination = { write: (line: string) => output.write(render(line)) }
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks }, destination)
  return Object.assign(log, {
    droppedLines: () => output.dropped,
    flush: (within: number) => output.flush(within),
  })
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
