import type { Server } from 'bun'

/** A port that connections are accepted on, except while it is paused. What is open then stays open. */
export class Listener<T> {
  readonly port: number
  #server: Server<T> | undefined
  /** Those that accept no more and still have connections, each with its end. */
  readonly #stopped = new Map<Server<T>, Promise<void>>()

  /** @throws Error with code EADDRINUSE and the like */
  constructor(
    private readonly serve: (port: number) => Server<T>,
    port: number,
  ) {
    this.#server = serve(port)
    this.port = this.#server.port ?? port
  }

  /** Accepts no more. Connections on which nothing was asked, or everything answered, are closed. */
  pause(): void {
    this.closeIdle()
    const server = this.#server
    if (!server) return
    this.#server = undefined
    const ended = server.stop().then(() => void this.#stopped.delete(server))
    this.#stopped.set(server, ended)
  }

  /** Accepts again; if somebody else has taken the port meanwhile, another call may. */
  resume(): void {
    try {
      this.#server ??= this.serve(this.port)
    } catch {
      // To be called again.
    }
  }

  closeIdle(): void {
    this.#server?.closeIdleConnections()
    for (const server of this.#stopped.keys()) server.closeIdleConnections()
  }

  /** Accepts no more, and resolves when all connections have ended. */
  async stop(): Promise<void> {
    this.pause()
    await Promise.all(this.#stopped.values())
  }
}
