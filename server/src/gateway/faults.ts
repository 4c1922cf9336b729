import type { ErrorCode } from '@parley/protocol'

/** What fails because somebody guessed or is out of date, and therefore counts against their address. */
const guesses: readonly ErrorCode[] = [
  'INVALID_TOKEN',
  'INVALID_ROOM_TOKEN',
  'ROOM_NOT_FOUND',
  'ROOM_EXPIRED',
  'PEER_ID_TAKEN',
]

/** Whether a `register` that failed with this code counts against the address that it came from. */
export const isGuess = (code: ErrorCode): boolean => guesses.includes(code)

/** Counts the faulty messages of one connection, minute by minute. */
export class Faults {
  #minute = 0
  #count = 0

  /** Faults in this minute, this one included. @param now milliseconds */
  add(now: number): number {
    const minute = Math.floor(now / 60_000)
    if (minute !== this.#minute) this.#count = 0
    this.#minute = minute
    return ++this.#count
  }
}
