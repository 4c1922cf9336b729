import type { EventEmitter } from 'node:events'

/** Signals with which a program is asked to end, and their numbers: the exit code is 128 more. */
const numbers = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15 } as const

/** Those that are sent; that nobody reads any more is told in another way. */
const heard = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

type Name = keyof typeof numbers

/** What the user, or whoever looks after the process, wants to come to an end. */
export class Interruption {
  readonly #controller = new AbortController()
  #exitCode: number | undefined

  /** Aborted when it shall end. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** 128 and the number of the signal; undefined if there was none. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  /** Asks for the end, as if the signal had come. */
  interrupt(name: Name): void {
    this.#exitCode ??= 128 + numbers[name]
    this.#controller.abort()
  }

  /**
   * Listens to the signals of the process. The first one asks for an orderly end; the second one calls `exit`, for whoever
   * does not want to wait for that.
   */
  listen(process: Pick<EventEmitter, 'on'>, exit: (code: number) => void): void {
    for (const name of heard) {
      process.on(name, () => {
        if (this.signal.aborted) exit(128 + numbers[name])
        else this.interrupt(name)
      })
    }
  }
}
