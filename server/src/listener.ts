import type { Server } from 'bun'

/** A port that connections are accepted on, except while it is paused. What is open then stays open. */
export class Listener<T> {
  readonly port: number
  #server: Server<T> | undefined
  /** The one before, which still accepts what had begun before `renew`. */
  #former: Server<T> | undefined
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
    this.#leaveFormer()
    const server = this.#server
    this.#server = undefined
    if (server) this.#leave(server)
  }

  /** Accepts again; if somebody else has taken the port meanwhile, another call may. */
  resume(): void {
    try {
      this.#server ??= this.serve(this.port)
    } catch {
      // To be called again.
    }
  }

  /**
   * Has what `serve` makes now accept from now on, where that differs. Connections that are open, or being opened, stay
   * with what they have begun with.
   * @param later calls what it is given when those that are being opened are open
   * @throws what `serve` throws; then all is as before
   */
  renew(later: (act: () => void) => void): void {
    const former = this.#server
    // Otherwise `resume` serves.
    if (!former) return
    this.#leaveFormer()
    try {
      this.#server = this.serve(this.port)
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!isTaken) throw error
      // Where two sockets cannot share a port, there is a moment without one.
      this.pause()
      this.resume()
      return
    }
    this.#former = former
    later(() => former === this.#former && this.#leaveFormer())
  }

  closeIdle(): void {
    this.#server?.closeIdleConnections()
    this.#former?.closeIdleConnections()
    for (const server of this.#stopped.keys()) server.closeIdleConnections()
  }

  /** Closes what is left of those that accept no more, where nothing is going on. */
  closeUnused(): void {
    for (const server of this.#stopped.keys()) {
      if (server.pendingRequests === 0 && server.pendingWebSockets === 0) void server.stop(true)
    }
  }

  /** Accepts no more, and resolves when all connections have ended. */
  async stop(): Promise<void> {
    this.pause()
    await Promise.all(this.#stopped.values())
  }

  #leaveFormer(): void {
    const former = this.#former
    this.#former = undefined
    if (former) this.#leave(former)
  }

  #leave(server: Server<T>): void {
    const ended = server.stop().then(() => void this.#stopped.delete(server))
    this.#stopped.set(server, ended)
  }
}
