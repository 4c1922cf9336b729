import type { Screen } from './terminal.ts'

/** Moves the cursor up, to the begin of the line, and clears from there (ECMA-48: CPL, ED). */
const clear = (lines: number): string => (lines === 0 ? '' : `\x1b[${lines}F\x1b[J`)

/** Milliseconds between two drawings: faster than that nobody reads. */
const drawEvery = 100

/** Lines at the bottom of a terminal, drawn anew when they change, while other text goes by above them. */
export class LiveLines {
  readonly #lines = new Map<string, (columns: number) => string>()
  #drawn = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param screen undefined: nothing is shown */
  constructor(private readonly screen: Screen | undefined) {}

  /** @param line makes the line, without a line break, no wider than the columns that it is given */
  set(key: string, line: (columns: number) => string): void {
    this.#lines.set(key, line)
    if (!this.screen || this.#timer) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#draw()
    }, drawEvery)
    this.#timer.unref()
  }

  delete(key: string): void {
    if (this.#lines.delete(key) && this.#drawn > 0) this.#draw()
  }

  /** Writes something else, above the lines. */
  beside(write: () => void): void {
    this.#erase()
    write()
    if (this.#lines.size > 0) this.#draw()
  }

  #erase(): void {
    if (this.#drawn > 0) this.screen?.write(clear(this.#drawn))
    this.#drawn = 0
  }

  #draw(): void {
    if (!this.screen) return
    // The last column is left free, where some terminals break the line.
    const columns = Math.max(20, (this.screen.columns ?? 80) - 1)
    const lines = [...this.#lines.values()].map(line => `${line(columns)}\n`)
    this.screen.write(clear(this.#drawn) + lines.join(''))
    this.#drawn = lines.length
  }
}
