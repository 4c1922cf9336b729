import { SignalingError } from '@parley/protocol'
import { shareKey } from './address.ts'
import type { Clock } from './clock.ts'
import { sleep } from './resilience/retry.ts'

/** Whose work is counted: either may be unknown. */
export interface Payer {
  /** Subject of the identity. */
  readonly identity?: string | undefined
  /** The network address that the request comes from. */
  readonly address?: string | undefined
}

/** Milliseconds in which what was done at once is paid for. */
const longRun = 10_000

/** So many identities behind one address may do as much as they may each: neighbours behind one NAT share an address. */
const identitiesPerAddress = 2

/** Milliseconds of what may be caused at once, beyond which somebody is no light client: a tenth, some 10 ms of work. */
const isMuch = 1000

/** Milliseconds that a `register` waits for its turn at most, or a new connection. */
export const longestTurn = 2000

/** Milliseconds that an identity may be behind, and is still read: one request alone cannot bring it there. */
const notWorthReading = 5000

/** Milliseconds that an identity may be behind, and still enters with one more peer: a fleet may come back all at once. */
const farBehind = 20_000

/** Milliseconds that anybody may be behind, lest neighbours of an attacker suffer for long. */
const mostOwed = longRun + 60_000

/** Entries beyond which those that no longer matter are cleared away. */
const sweepAt = 10_000

/**
 * Bounds the work that one identity, and one network address, may cause: `atOnce` units in one go, and in the long run as
 * many in each 10 s. An address may cause twice as much. The unit is what it takes to hand one short message to one peer,
 * some 5 µs.
 *
 * It is the Generic Cell Rate Algorithm (ITU-T I.371, as a virtual scheduling algorithm): of each key it keeps the time at
 * which all its work so far is paid for. Work is charged when it is known, so the last request within the bound may go
 * beyond it, and the next one waits for longer.
 */
export class WorkBudget {
  /** When the work of each identity is paid for. Milliseconds. */
  readonly #identities: PaidAt = new Map()
  /** The same of each address. */
  readonly #addresses: PaidAt = new Map()
  #sweepAt = sweepAt
  /** Units that were charged to all. */
  total = 0

  constructor(
    private readonly atOnce: number,
    private readonly clock: Clock,
  ) {}

  /** Units that one request may cost at most, as others have to wait meanwhile. */
  get most(): number {
    return Math.max(this.atOnce / 4, 5000)
  }

  /** Identities and addresses that still owe something, about. */
  get size(): number {
    return this.#identities.size + this.#addresses.size
  }

  /** @throws SignalingError RATE_LIMITED, with the time to wait, if `payer` has caused too much work */
  check(payer: Payer): void {
    const wait = this.#wait(payer)
    if (wait > 0) throw tooMuch(wait)
  }

  /** Whether `payer` has lately caused much work, though no more than it may. */
  isHeavy(payer: Payer): boolean {
    return this.#owed(payer) > isMuch
  }

  /** Whether `payer` has gone on although it was refused, so that it is not worth reading what it sends. */
  isBehind(payer: Payer): boolean {
    return this.#wait(payer) > notWorthReading
  }

  /**
   * Resolves when it is the turn of `payer`, within 2 s.
   * @param isNew it enters: what others do behind its address makes it wait, but does not keep it out, nor does it if other
   *   peers of its identity have just entered
   * @throws SignalingError RATE_LIMITED if that would be much later
   */
  async turn({ identity, address }: Payer, isNew: boolean): Promise<void> {
    const own = this.#wait({ identity, address: isNew ? undefined : address })
    if (own > (isNew ? farBehind : longestTurn)) throw tooMuch(own)
    const wait = this.wait({ identity, address })
    if (wait > 0) await sleep(this.clock, wait)
  }

  /** Milliseconds that `payer` should wait, 2 s at most, before more of it is let in. */
  wait(payer: Payer): number {
    return Math.min(longestTurn, this.#wait(payer))
  }

  /** Charges `units` of work to `payer`. */
  charge({ identity, address }: Payer, units: number): void {
    this.total += units
    const now = this.clock.uptime()
    const cost = (units / this.atOnce) * longRun
    if (identity !== undefined) owe(this.#identities, identity, now, cost)
    const site = shareKey(address)
    if (site !== '') owe(this.#addresses, site, now, cost / identitiesPerAddress)
    if (this.size > this.#sweepAt) this.#sweep(now)
  }

  /** Milliseconds until `payer` may cause work again; 0: now. */
  #wait(payer: Payer): number {
    return Math.max(0, this.#owed(payer) - longRun)
  }

  /** Milliseconds until all that `payer` has caused is paid for; not above 0: it is. */
  #owed({ identity, address }: Payer): number {
    const paidAt = Math.max(
      (identity !== undefined && this.#identities.get(identity)) || 0,
      this.#addresses.get(shareKey(address)) ?? 0,
    )
    return paidAt - this.clock.uptime()
  }

  /** Forgets who owes nothing. */
  #sweep(now: number): void {
    for (const keys of [this.#identities, this.#addresses]) {
      for (const [key, paidAt] of keys) if (paidAt <= now) keys.delete(key)
    }
    this.#sweepAt = Math.max(sweepAt, 2 * this.size)
  }
}

/** For each key the time at which all its work so far is paid for. Milliseconds. */
type PaidAt = Map<string, number>

function owe(keys: PaidAt, key: string, now: number, cost: number): void {
  keys.set(key, Math.min(Math.max(keys.get(key) ?? 0, now) + cost, now + mostOwed))
}

/** @param wait milliseconds */
const tooMuch = (wait: number) =>
  new SignalingError('RATE_LIMITED', 'Your requests have caused too much work.', { retryAfter: Math.ceil(wait / 1000) })

/** Units of work that take a millisecond. */
export const unitsPerMs = 200

/** Units that a request over HTTP takes, beside what it has to read and to write: a signature, a row in the store. */
export const workOfRequest = 20

/** Units that it takes to read `bytes` of JSON, or to make them, at worst. */
export const workOfJson = (bytes: number): number => bytes / 512

/** Units that it takes to hand `bytes` to each of `peers`. */
export const workOfSending = (bytes: number, peers: number): number => peers * (1 + bytes / 4096)

/**
 * Units for putting together so many characters that are written already, and sending them once. That takes a fifth of it;
 * but it is done in one go, and nobody needs such answers often.
 */
export const workOfText = (characters: number): number => characters / 400

/** The same for the answer to who enters: what it takes, and no more, as a fleet may enter all at once. */
export const workOfEntering = (characters: number): number => characters / 2048

/** Units that a connection is charged, once, that floods: it must not come back at once and go on. */
export const workOfFlood = 2000
