import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'

/** A clock that is off by that is wrong: more than an answer takes on its way. Milliseconds. */
const tolerance = 30_000

/** The headers of an answer of AWS. */
export interface Told {
  /** As in RFC 9110, section 6.6.1. */
  readonly date?: string | null | undefined
  /** There is one in answers from a cache, whose date is an old one. */
  readonly age?: string | null | undefined
}

/**
 * Compares this computer's clock with what the answers of AWS say, and tells the operator once when it is wrong, once
 * more when it is wrong by something else, and when it is right again. Nothing else would show it: calls are signed by
 * AWS's time, but the ends of tokens and of rooms are judged by this clock.
 */
export function skewWatch(clock: Clock, log: Log): (told: Told) => void {
  let known = 0
  return ({ date, age }) => {
    const theirs = Date.parse(date ?? '')
    if (Number.isNaN(theirs) || age) return
    const ahead = clock.now() - theirs
    if (Math.abs(ahead) < tolerance / 2 && known !== 0) {
      known = 0
      log.info({}, 'clock right again')
    }
    if (Math.abs(ahead) < tolerance || Math.abs(ahead - known) < tolerance) return
    known = ahead
    const seconds = Math.round(Math.abs(ahead) / 1000)
    if (ahead > 0) log.warn({ seconds, means: 'ID tokens and rooms end too early' }, 'clock ahead of AWS')
    else log.warn({ seconds, means: 'ID tokens and rooms end too late' }, 'clock behind AWS')
  }
}
