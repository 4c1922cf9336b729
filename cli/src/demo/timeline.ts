import type { Output } from '../output.ts'

export type Actor = 'server' | 'worker' | 'client'

/** Tells what happens, and when. */
export class Timeline {
  readonly #start = performance.now()
  readonly #marks = new Map<string, number>()
  #last = 0

  constructor(private readonly out: Output) {}

  /** @param step the stable name of it; only the first of each name is told to people */
  mark(step: string, actor: Actor, text: string): void {
    const ms = Math.round((performance.now() - this.#start) * 10) / 10
    const isFirst = !this.#marks.has(step)
    if (isFirst) this.#marks.set(step, ms)
    const event = { event: 'step', step, actor, ms }
    if (!isFirst) {
      this.out.data(event, undefined)
      return
    }
    const since = `+${(ms - this.#last).toFixed(1)}`
    this.#last = ms
    this.out.data(
      event,
      ({ dim, cyan }) => `${ms.toFixed(1).padStart(9)} ms ${dim(since.padStart(9))}  ${cyan(actor)}  ${text}`,
    )
  }

  /** Milliseconds from one step, or the begin, to another. */
  between(from: string, to: string): number {
    return Math.round((this.#marks.get(to) ?? 0) - (this.#marks.get(from) ?? 0))
  }
}
