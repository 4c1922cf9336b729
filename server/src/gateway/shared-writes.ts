/** What has something to write at the end of this turn. */
export interface Writer {
  /** @param isTurnOver whether several texts may share a write */
  flush(isTurnOver: boolean): void
}

/**
 * Has what goes to one socket in one turn of the event loop written at its end, at once: a call of the system costs more than
 * all that the server itself does with a message. Nothing waits longer than that turn.
 */
export class SharedWrites {
  #due: Writer[] = []

  /** `writer` is flushed when this turn is over. To be called once in it. */
  add(writer: Writer): void {
    if (this.#due.length === 0) setImmediate(this.#flush)
    this.#due.push(writer)
  }

  readonly #flush = (): void => {
    const due = this.#due
    this.#due = []
    for (const writer of due) writer.flush(true)
  }
}
