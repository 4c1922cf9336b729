import { format } from 'node:util'
import type { Log } from './log.ts'

/** Characters of what is logged of it. */
const mostShown = 1000

/**
 * Has what libraries say on the console, and their warnings, stand in the log: the runtime would write it at once, and wait
 * for good where nobody reads it.
 */
export function captureOutput(log: Log): void {
  const say = (...words: unknown[]) => log.warn({ text: format(...words).slice(0, mostShown) }, 'a library says')
  Object.assign(console, { log: say, info: say, warn: say, error: say, debug: say, trace: say })
  process.emitWarning = (warning: unknown) => say(String(warning))
}
