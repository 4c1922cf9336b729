import type { Finding, Target } from './target.ts'

export interface Bounds {
  readonly seed: number
  readonly seconds: number
  readonly inputs: number
  readonly first: number
  /** Seconds that may be spent on making an input smaller that fails. */
  readonly shrinkFor: number
}

export interface Outcome {
  readonly inputs: number
  readonly seconds: number
  readonly finding: Finding | undefined
}

/** Seconds that one case may take before it counts as an endless loop. */
const longest = 120

/**
 * Fuzzes a target until it fails, or until the bounds are reached.
 * The process is killed, with a word about the case, if a case does not end.
 */
export async function runTarget(
  target: Target,
  { seed, seconds, inputs: most, first, shrinkFor }: Bounds,
): Promise<Outcome> {
  const progress = new Float64Array(new SharedArrayBuffer(16))
  const watchdog = new Worker(new URL('watchdog.ts', import.meta.url))
  watchdog.postMessage({ progress, longest, name: target.name, seed })
  // Starting a server takes as long as it takes; so there is one case at the least.
  let start: number | undefined
  const passed = () => {
    start ??= performance.now()
    return (performance.now() - start) / 1000
  }
  let inputs = 0
  const alive = () => {
    progress[1] = performance.now()
  }
  try {
    const finding = await target.run({
      seed,
      first,
      shrinkFor,
      begin(at) {
        progress[0] = at
        alive()
        return inputs < most && passed() < seconds
      },
      alive,
      count: more => {
        inputs += more
      },
    })
    return { inputs, seconds: passed(), finding }
  } finally {
    watchdog.terminate()
  }
}

/** What there is to say of a run, and how to have the same again. */
export function report({ name }: Target, seed: number, { inputs, seconds, finding }: Outcome): string {
  const done = `${name}: ${inputs} inputs in ${seconds.toFixed(1)} s, ${Math.round(inputs / seconds)} a second`
  if (!finding) return `${done}, no fault`
  return [
    `${done}, and a fault: ${finding.fault.kind}`,
    `  ${finding.fault.detail}`,
    `  smallest input: ${finding.input}`,
    `  again: npm run fuzz -- --only ${name} --seed ${seed} --at ${finding.at}`,
  ].join('\n')
}
