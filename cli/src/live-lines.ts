import type { Screen } from './terminal.ts'

/** Moves the cursor up, to the begin of the line, and clears from there (ECMA-48: CPL, ED). */
const clear = (lines: number): string => (lines === 0 ? '' : `\x1b[${lines}F\x1b[J`)

/** Milliseconds between two drawings: faster than that nobody reads. */
const drawEvery = 100

/** What somebody is typing, below everything else. */
export interface TypedLine {
  /** Takes it from the screen; the cursor is at its begin then. */
  hide(): void
  /** Shows it as it was. */
  show(): void
}

/** Lines at the bottom of a terminal, drawn again when they change, while other text goes by above them. */
export class LiveLines {
  #typed: TypedLine | undefined
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

  /** Keeps what somebody is typing in one piece, until the result is called. */
  keep(typed: TypedLine): () => void {
    this.#typed = typed
    return () => {
      if (this.#typed === typed) this.#typed = undefined
    }
  }

  /** Somebody has ended a line, which took so many rows: it stays, above the lines. */
  entered(text: string, rows: number): void {
    if (this.#drawn === 0) return
    this.screen?.write(clear(this.#drawn + rows))
    this.#drawn = 0
    this.screen?.write(`${text}\n`)
    this.#draw()
  }

  /** Writes something else, above the lines. */
  beside(write: () => void): void {
    this.#typed?.hide()
    this.#erase()
    write()
    this.#redraw()
    this.#typed?.show()
  }

  #erase(): void {
    if (this.#drawn > 0) this.screen?.write(clear(this.#drawn))
    this.#drawn = 0
  }

  #draw(): void {
    this.#typed?.hide()
    this.#redraw()
    this.#typed?.show()
  }

  #redraw(): void {
    if (!this.screen || this.#lines.size + this.#drawn === 0) return
    // The last column is left free, where some terminals break the line.
    const columns = Math.max(20, (this.screen.columns ?? 80) - 1)
    const lines = [...this.#lines.values()].map(line => `${line(columns)}\n`)
    this.screen.write(clear(this.#drawn) + lines.join(''))
    this.#drawn = lines.length
  }
}
