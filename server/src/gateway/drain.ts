import { type ServerMessageOf, SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { sleep } from '../resilience/retry.ts'

/** How long a server takes to let its peers go. Seconds. */
export interface DrainTimes {
  /** For so long it goes on as before but is not ready any more: load balancers need time to notice. */
  readonly drainNotice: number
  /** For so long peers may move, before those that are left are closed. */
  readonly drainWithin: number
}

/** Milliseconds before a peer opens its next connection, at most: those that are told at the same time do not all come at once. */
const mostPause = 1_000

/** What can be asked to move to another connection. */
export interface Movable {
  askToMove(message: ServerMessageOf<'go_away'>): void
}

/** The connections of a server that is about to stop, and what it has them do before. */
export class Drain {
  /** Aborted when nobody is left; there is one only while it drains. */
  #empty: AbortController | undefined

  constructor(
    private readonly connections: () => readonly Movable[],
    private readonly times: DrainTimes,
    private readonly clock: Clock,
  ) {}

  /** A connection has ended. */
  left(): void {
    if (this.#empty && this.connections().length === 0) this.#empty.abort()
  }

  /**
   * Asks the peers that can to move, spread over half of the time, and resolves when it is time to close what is left.
   * @param hurry ends it at once
   */
  async run(hurry: AbortSignal): Promise<void> {
    const { drainNotice, drainWithin } = this.times
    this.#empty = new AbortController()
    const over = AbortSignal.any([hurry, this.#empty.signal])
    // Its end before the time is no failure.
    const wait = (seconds: number) => sleep(this.clock, seconds * 1000, over).catch(() => {})
    this.left()
    if (drainNotice > 0) await wait(drainNotice)
    if (drainWithin === 0 || over.aborted) return
    const within = drainWithin * 1000
    const end = this.clock.uptime() + within
    const planned = this.connections().map(connection => this.#plan(connection, within, end))
    await wait(drainWithin)
    for (const cancel of planned) cancel()
  }

  #plan(connection: Movable, within: number, end: number) {
    return this.clock.after((Math.random() * within) / 2, () => {
      const deadline_ms = Math.round(end - this.clock.uptime())
      const reconnect_after_ms = Math.round(Math.random() * Math.min(mostPause, within / 4))
      connection.askToMove({ type: 'go_away', reason: 'shutting_down', reconnect_after_ms, deadline_ms })
    })
  }
}

/** Peers that come back in a second at most, on average, after a restart. */
const returnsPerSecond = 1_000

/** Seconds after which one of so many connections is to come back: they are spread, so that they do not all come at once. */
export const comesBackAfter = (connections: number): number =>
  Math.round(Math.random() * Math.max(1, connections / returnsPerSecond) * 100) / 100

/** Why they are closed. */
export const stops = (connections: number) =>
  new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: comesBackAfter(connections) })
