import { SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { throttle } from '../resilience/throttle.ts'
import { Deadlines } from './deadlines.ts'

/** A connection that has not registered yet. */
export interface Newcomer {
  readonly client: Client
  /** Its time to register is over. */
  expectRegister(): void
  /** It is closed to make room for a newer one. */
  makeWay(reason: SignalingError): void
}

export interface NewcomerLimits {
  /** Milliseconds within which a connection must register. */
  readonly registerWithin: number
  /** Connections that have not registered, in all. */
  readonly unregistered: number
  /** Those of one network address. */
  readonly unregisteredPerAddress: number
}

export interface NewcomersParts {
  readonly limits: NewcomerLimits
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** Milliseconds after which a connection waits for a person, not for a program. */
const lingersAfter = 10_000
/** Of the connections that there may be, one in so many may wait for a person. */
const lingering = 10
/** Milliseconds between two lines in the log about one limit: anybody can cause them. */
const linesEvery = 60_000
/** How many make way at once while the process can open no more connections. */
const thinnedAtOnce = 64

const kinds = {
  address: 'Too many connections from your network address have not registered.',
  server: 'Too many connections to this server have not registered.',
  descriptors: 'This server has no room for connections that do not register.',
} as const
type Kind = keyof typeof kinds

/**
 * Bounds the connections that have not registered, and closes each whose time for that is over.
 *
 * Where there are too many, the one that has waited longest makes way. A program registers at once, so nobody can lock it
 * out by connections that do nothing, not even a neighbour behind the same address.
 */
export class Newcomers {
  readonly #young: Pool
  readonly #lingering: Pool
  /** Until they linger, and then until their time is over. */
  readonly #firstWait: Deadlines<Newcomer>
  readonly #longWait: Deadlines<Newcomer>
  /** Whether a line about this limit may be logged. */
  readonly #mayLog: Readonly<Record<'address' | 'server', () => boolean>>

  constructor(private readonly parts: NewcomersParts) {
    this.#mayLog = { address: throttle(parts.clock, linesEvery), server: throttle(parts.clock, linesEvery) }
    const { unregistered, unregisteredPerAddress, registerWithin } = parts.limits
    const few = (limit: number) => Math.ceil(limit / lingering)
    this.#young = new Pool(unregistered, unregisteredPerAddress)
    this.#lingering = new Pool(few(unregistered), few(unregisteredPerAddress))
    const end = (newcomer: Newcomer) => newcomer.expectRegister()
    const lingers = registerWithin > lingersAfter
    this.#firstWait = new Deadlines(
      parts.clock,
      Math.min(lingersAfter, registerWithin),
      lingers ? newcomer => this.#linger(newcomer) : end,
    )
    this.#longWait = new Deadlines(parts.clock, registerWithin - lingersAfter, end)
  }

  /** Connections that have not registered. */
  get count(): number {
    return this.#young.size + this.#lingering.size
  }

  /** Lets one more wait. */
  admit(newcomer: Newcomer): void {
    this.#firstWait.add(newcomer)
    this.#enter(this.#young, newcomer)
  }

  /** It waits no more: it has registered, or its connection has ended. Harmless where it did not wait. */
  leave(newcomer: Newcomer): void {
    this.#young.remove(newcomer)
    this.#lingering.remove(newcomer)
    this.#firstWait.remove(newcomer)
    this.#longWait.remove(newcomer)
  }

  #linger(newcomer: Newcomer): void {
    this.#young.remove(newcomer)
    this.#longWait.add(newcomer)
    this.#enter(this.#lingering, newcomer)
  }

  #enter(pool: Pool, newcomer: Newcomer): void {
    pool.add(newcomer)
    const excess = pool.excess(newcomer)
    if (excess) this.#close(excess.kind, excess.eldest)
  }

  /** Has those that have waited longest make way, as the process can open no more connections. */
  thin(): void {
    for (let i = 0; i < thinnedAtOnce; i++) {
      const eldest = this.#lingering.eldest ?? this.#young.eldest
      if (!eldest) return
      this.#close('descriptors', eldest)
    }
  }

  #close(kind: Kind, eldest: Newcomer): void {
    // Its connection may take a while to end, in which it must not be counted, or make way once more.
    this.leave(eldest)
    this.parts.metrics.newcomersClosed[kind]++
    this.#warn(kind, eldest.client.nearest)
    eldest.makeWay(new SignalingError('RATE_LIMITED', kinds[kind]))
  }

  #warn(kind: Kind, address: string): void {
    const { log } = this.parts
    // Of descriptors the server says more.
    if (kind === 'descriptors' || !this.#mayLog[kind]()) return
    const setting = kind === 'address' ? 'PARLEY_MAX_UNREGISTERED_PER_ADDRESS' : 'PARLEY_MAX_UNREGISTERED_CONNECTIONS'
    if (kind === 'server') log.warn({ setting }, 'too many connections do not register')
    else log.warn({ setting, address }, 'too many connections of one address do not register; is it a proxy?')
  }
}

/** What its address counts under. A proxy that does not say whom it speaks for may speak for everybody: undefined. */
const keyOf = ({ client: { hidden, limitKey } }: Newcomer): string | undefined =>
  hidden === 'silent' ? undefined : limitKey

/** Newcomers, the one that has waited longest first. */
class Pool {
  readonly #all = new Set<Newcomer>()
  readonly #ofAddress = new Map<string, Set<Newcomer>>()

  constructor(
    private readonly most: number,
    private readonly mostOfAddress: number,
  ) {}

  get size(): number {
    return this.#all.size
  }

  /** The one that has waited longest. */
  get eldest(): Newcomer | undefined {
    return firstOf(this.#all)
  }

  add(newcomer: Newcomer): void {
    this.#all.add(newcomer)
    const key = keyOf(newcomer)
    if (key === undefined) return
    const neighbours = this.#ofAddress.get(key) ?? new Set<Newcomer>()
    this.#ofAddress.set(key, neighbours.add(newcomer))
  }

  remove(newcomer: Newcomer): void {
    if (!this.#all.delete(newcomer)) return
    const key = keyOf(newcomer) ?? ''
    const neighbours = this.#ofAddress.get(key)
    neighbours?.delete(newcomer)
    if (neighbours?.size === 0) this.#ofAddress.delete(key)
  }

  /** Who has to make way for this one, which was added, and for which limit; undefined if there is room. */
  excess(newcomer: Newcomer): { kind: Kind; eldest: Newcomer } | undefined {
    const neighbours = this.#ofAddress.get(keyOf(newcomer) ?? '')
    const neighbour = neighbours && neighbours.size > this.mostOfAddress ? firstOf(neighbours) : undefined
    if (neighbour) return { kind: 'address', eldest: neighbour }
    const { eldest } = this
    return eldest && this.size > this.most ? { kind: 'server', eldest } : undefined
  }
}

function firstOf<T>(items: ReadonlySet<T>): T | undefined {
  for (const item of items) return item
  return undefined
}
