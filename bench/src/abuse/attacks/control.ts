import type { Attack } from '../field.ts'

/** Milliseconds between two looks for what the parent process has to say. */
const stretch = 10

/** No attack: what the machine alone does to the undisturbed room while one more process computes. */
export const control = {
  control: async ({ tally }) => {
    const compute = () => {
      for (const until = performance.now() + stretch; performance.now() < until; ) tally.sent++
      setImmediate(compute)
    }
    return compute
  },
} satisfies Record<string, Attack>
