/** Ends a subscription; harmless when it has ended already. */
export type Unsubscribe = () => void

/** Typed events: `Events` says of each name what its listeners are called with. */
export class Emitter<Events extends { [Name in keyof Events]: readonly unknown[] }> {
  readonly #listeners: { [Name in keyof Events]?: Set<(...args: Events[Name]) => void> } = {}

  /** Calls `listener` each time that it happens, until the result is called. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): Unsubscribe {
    const listeners = this.#listeners[name] ?? new Set<(...args: Events[Name]) => void>()
    this.#listeners[name] = listeners
    // A subscription of its own, also for a listener that is there already.
    const subscription = (...args: Events[Name]) => listener(...args)
    listeners.add(subscription)
    return () => void listeners.delete(subscription)
  }

  /** The first time from now on that it happens, and `matches`; never, if `signal` is aborted before. */
  once<Name extends keyof Events>(
    name: Name,
    matches: (...args: Events[Name]) => boolean = () => true,
    signal?: AbortSignal,
  ): Promise<Events[Name]> {
    return new Promise(resolve => {
      const off = this.on(name, (...args) => {
        if (!matches(...args)) return
        off()
        resolve(args)
      })
      signal?.addEventListener('abort', off, { once: true })
    })
  }

  /** Whether anybody would notice. */
  protected hasListeners(name: keyof Events): boolean {
    return (this.#listeners[name]?.size ?? 0) > 0
  }

  /** A listener that throws stops neither the others nor the caller; its error is reported as that of any event listener. */
  protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(...args)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
