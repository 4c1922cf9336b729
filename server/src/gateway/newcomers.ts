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
    const key = keyOf(newcomer)
    this.#young.remove(newcomer, key)
    this.#lingering.remove(newcomer, key)
    this.#firstWait.remove(newcomer)
    this.#longWait.remove(newcomer)
  }

  #linger(newcomer: Newcomer): void {
    this.#young.remove(newcomer, keyOf(newcomer))
    this.#longWait.add(newcomer)
    this.#enter(this.#lingering, newcomer)
  }

  #enter(pool: Pool, newcomer: Newcomer): void {
    const key = keyOf(newcomer)
    pool.add(newcomer, key)
    const excess = pool.excess(key)
    if (!excess) return
    this.#close(pool, excess.kind, excess.eldest)
  }

  /** Has those that have waited longest make way, as the process can open no more connections. */
  thin(): void {
    for (let i = 0; i < thinnedAtOnce; i++) {
      const pool = this.#lingering.size > 0 ? this.#lingering : this.#young
      const { eldest } = pool
      if (!eldest) return
      this.#close(pool, 'descriptors', eldest)
    }
  }

  #close(pool: Pool, kind: Kind, eldest: Place): void {
    pool.remove(eldest.newcomer, eldest.key)
    this.parts.metrics.newcomersClosed[kind]++
    this.#warn(kind, eldest.newcomer.client.nearest)
    eldest.newcomer.makeWay(new SignalingError('RATE_LIMITED', kinds[kind]))
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

/** One that waits, and the address that it counts for. */
interface Place {
  readonly newcomer: Newcomer
  readonly key: string | undefined
}

/** Newcomers, the one that has waited longest first. */
class Pool {
  readonly #all = new Map<Newcomer, string | undefined>()
  readonly #ofAddress = new Map<string, Set<Newcomer>>()

  constructor(
    private readonly most: number,
    private readonly mostOfAddress: number,
  ) {}

  get size(): number {
    return this.#all.size
  }

  /** The one that has waited longest. */
  get eldest(): Place | undefined {
    for (const [newcomer, key] of this.#all) return { newcomer, key }
    return undefined
  }

  add(newcomer: Newcomer, key: string | undefined): void {
    this.#all.set(newcomer, key)
    if (key === undefined) return
    const neighbours = this.#ofAddress.get(key) ?? new Set<Newcomer>()
    this.#ofAddress.set(key, neighbours.add(newcomer))
  }

  remove(newcomer: Newcomer, key: string | undefined): void {
    this.#all.delete(newcomer)
    if (key === undefined) return
    const neighbours = this.#ofAddress.get(key)
    neighbours?.delete(newcomer)
    if (neighbours?.size === 0) this.#ofAddress.delete(key)
  }

  /** Who has to make way for one that was added under `key`, and for which limit; undefined if there is room. */
  excess(key: string | undefined): { kind: Kind; eldest: Place } | undefined {
    const neighbours = key === undefined ? undefined : this.#ofAddress.get(key)
    if (neighbours && neighbours.size > this.mostOfAddress) {
      for (const newcomer of neighbours) return { kind: 'address', eldest: { newcomer, key } }
    }
    const { eldest } = this
    return eldest && this.#all.size > this.most ? { kind: 'server', eldest } : undefined
  }
}
