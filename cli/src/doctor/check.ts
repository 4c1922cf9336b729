import { Skip, Trouble } from './trouble.ts'

export type Status = 'ok' | 'warning' | 'failed' | 'skipped'

/** What is told of one check. It holds no token, credential or secret, so it may be shown to anybody. */
export interface CheckResult {
  readonly name: string
  readonly status: Status
  /** What is wrong, or why it could not be checked, where a script may want to tell it from others. It is stable. */
  readonly code?: string
  /** Milliseconds: how long it took, or the median, as `detail` says. */
  readonly ms?: number
  /** What was found, in a sentence or less. */
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string
}

/** What a check has found, when it has not thrown. */
export interface Finding<T> {
  /** Default: `ok`. */
  readonly status?: 'ok' | 'warning' | 'skipped'
  readonly code?: string
  readonly ms?: number
  readonly detail: string
  readonly advice?: string
  /** For the checks that build on it. */
  readonly value: T
}

/** What a check has left for later ones; without a value, the check that keeps them from being made. */
export type Known<T> =
  | { readonly isKnown: true; readonly value: T }
  | { readonly isKnown: false; readonly name: string }

export const known = <T>(value: T): Known<T> => ({ isKnown: true, value })

export function both<A, B>(a: Known<A>, b: Known<B>): Known<readonly [A, B]> {
  if (!a.isKnown) return a
  return b.isKnown ? known([a.value, b.value] as const) : b
}

/** Whatever it opens has to end with `signal`, which is aborted at the end of the check at the latest. */
export type Act<Needed, Found> = (needed: Needed, signal: AbortSignal) => Promise<Finding<Found>>

export interface Check<Needed, Found> {
  readonly name: string
  readonly needs: Known<Needed>
  /** What it means that there is no answer within the deadline. */
  readonly silence: () => Trouble
  readonly act: Act<Needed, Found>
}

export interface Bounds {
  /** Milliseconds that a check may take. */
  readonly deadline: number
  /** Ends the check at hand. */
  readonly signal: AbortSignal | undefined
}

/**
 * Makes the check, yields its result, and returns what it has found. `Trouble` and `Skip` are results, too.
 * @throws what else `act` throws; the reason of the caller's signal
 */
export async function* make<Needed, Found>(
  { name, needs, silence, act }: Check<Needed, Found>,
  bounds: Bounds,
): AsyncGenerator<CheckResult, Known<Found>> {
  if (!needs.isKnown) {
    yield { name, status: 'skipped', detail: `It needs “${needs.name}”.` }
    return needs
  }
  try {
    const { value, status = 'ok', ...rest } = await within(bounds, silence, signal => act(needs.value, signal))
    yield { name, status, ...rest }
    return known(value)
  } catch (error) {
    if (error instanceof Skip) yield { name, status: 'skipped', ...told(error) }
    else if (error instanceof Trouble) yield { name, status: 'failed', ...told(error) }
    else throw error
    return { isKnown: false, name }
  }
}

const told = ({ message, advice, code }: Trouble | Skip) => ({
  ...(code !== undefined && { code }),
  detail: message,
  ...(advice !== undefined && { advice }),
})

/**
 * The result of `act`, if it comes in time.
 * @throws what `silence` makes, if it does not; the reason of the caller's signal; what `act` throws
 */
export async function within<T>(
  { deadline, signal }: Bounds,
  silence: () => Trouble,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const ending = new AbortController()
  const onAbort = () => ending.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort)
  const timer = setTimeout(() => ending.abort(silence()), deadline)
  const ended = new Promise<never>((_, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason), { once: true })
  })
  try {
    return await Promise.race([act(ending.signal), ended])
  } catch (error) {
    // What `act` makes of its being ended does not count.
    throw ending.signal.aborted ? ending.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    ended.catch(() => {})
    ending.abort()
  }
}

/** How long `act` takes, in milliseconds to a tenth. */
export async function timed<T>(act: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now()
  const value = await act()
  return { value, ms: Math.round((performance.now() - start) * 10) / 10 }
}

/** The median, in milliseconds, of five times that `act` takes; of fewer, if it takes long. */
export async function medianOf(act: () => Promise<unknown>): Promise<{ ms: number; times: number }> {
  const start = performance.now()
  const all: number[] = []
  while (all.length < 5 && performance.now() - start < 1500) all.push((await timed(act)).ms)
  all.sort((a, b) => a - b)
  return { ms: all[all.length >> 1] ?? 0, times: all.length }
}
