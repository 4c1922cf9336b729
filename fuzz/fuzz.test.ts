import { expect, test } from 'bun:test'
import { report, runTarget } from './run.ts'
import { targets } from './targets.ts'

/**
 * The same in every run, so that a build turns red only for what its change does, and does so again when it is repeated. New ground
 * is for `npm run fuzz`, which takes a new seed each time.
 */
const seed = 12
/** Seconds for each: 20 in all. */
const budgets: Readonly<Record<string, number>> = { decode: 5, http: 7, frames: 8 }

test.each([...targets])(
  '$name withstands the fuzzer',
  async target => {
    const outcome = await runTarget(target, {
      seed,
      seconds: budgets[target.name] ?? 5,
      inputs: Infinity,
      first: 0,
      shrinkFor: 15,
    })
    if (outcome.finding) throw new Error(report(target, seed, outcome))
    expect(outcome.inputs).toBeGreaterThan(0)
  },
  120_000,
)
