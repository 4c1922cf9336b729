import type { Cancel, Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Wire } from './wire.ts'

/** Milliseconds that somebody has to prove who they are. */
const proveWithin = 5_000
/** How many may be about to. A node does it within milliseconds; so when there are more, the oldest makes way. */
const mostStrangers = 64
/** Lines of log in a minute about those who did not. Anybody can cause them. */
const mostLines = 20
const windowMs = 60_000

/** Connections that have not proved yet that a node of this cluster is at their other end. */
export class Strangers {
  readonly #wires = new Map<Wire, Cancel>()
  #lines = 0
  #unlogged = 0
  #cancelWindow: Cancel | undefined

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  get size(): number {
    return this.#wires.size
  }

  add(wire: Wire): void {
    if (this.#wires.size >= mostStrangers) {
      const [oldest] = this.#wires.keys()
      oldest?.break('too many others try to open a link')
    }
    const cancel = this.clock.after(proveWithin, () => wire.break(`no proof in ${proveWithin} ms`))
    this.#wires.set(wire, cancel)
  }

  /** It is a stranger no more, or gone. */
  remove(wire: Wire): void {
    this.#wires.get(wire)?.()
    this.#wires.delete(wire)
  }

  /** Logs that one was refused, or counts it where there were too many in this minute. */
  refused(address: string, reason: string): void {
    this.#cancelWindow ??= this.clock.after(windowMs, () => this.#endWindow())
    if (this.#lines++ < mostLines) this.log.warn({ address, reason }, 'link refused')
    else this.#unlogged++
  }

  close(): void {
    for (const wire of [...this.#wires.keys()]) wire.break('this node stops')
    this.#cancelWindow?.()
    this.#endWindow()
  }

  #endWindow(): void {
    if (this.#unlogged > 0) this.log.warn({ links: this.#unlogged }, 'more links refused than are logged')
    this.#lines = this.#unlogged = 0
    this.#cancelWindow = undefined
  }
}
