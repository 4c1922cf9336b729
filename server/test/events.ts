/** Resolves what waits for something, whenever that may have come about. */
export class Events {
  readonly #waiting = new Set<() => void>()

  happened(): void {
    for (const look of [...this.#waiting]) look()
  }

  /** What `find` gives as soon as that is not undefined or false. */
  until<T>(find: () => T | undefined | false): Promise<T> {
    return new Promise(resolve => {
      const look = () => {
        const found = find()
        if (found === undefined || found === false) return
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }
}

/** Lets the event loop turn so many times. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
