type Handler = (event: Event) => unknown

/** An event target that also calls what has been assigned to its `on…` properties, as those of the DOM do. */
export class HandlerTarget extends EventTarget {
  readonly #handlers = new Map<string, Handler | null>()

  /** Gives a class the `on…` properties of these events. */
  static giveHandlers(prototype: HandlerTarget, types: readonly string[]): void {
    for (const type of types) {
      Object.defineProperty(prototype, `on${type}`, {
        get(this: HandlerTarget) {
          return this.#handlers.get(type) ?? null
        },
        set(this: HandlerTarget, handler: unknown) {
          if (!this.#handlers.has(type)) {
            this.addEventListener(type, event => this.#handlers.get(type)?.call(this, event))
          }
          this.#handlers.set(type, typeof handler === 'function' ? (handler as Handler) : null)
        },
        configurable: true,
        enumerable: true,
      })
    }
  }

  protected fire(type: string, members: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), members))
  }
}
