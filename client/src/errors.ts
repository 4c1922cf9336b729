import type { ErrorCode } from '@parley/protocol'

/** What can go wrong without the server having said so. */
export type LocalErrorCode =
  /** The server cannot be reached, or the connection to it broke before it had answered. */
  | 'DISCONNECTED'
  /** The room was left, or has ended; nothing can be asked of it any more. */
  | 'LEFT'
  /** The other end did not answer in time. */
  | 'TIMEOUT'
  /** The caller has aborted it. */
  | 'ABORTED'
  /** The peers have found no way to each other. */
  | 'UNREACHABLE'
  /** A change of a connection, such as a new track, was not agreed upon. What was agreed before goes on. */
  | 'NEGOTIATION_FAILED'
  /** The data channel or its peer connection has ended. */
  | 'CHANNEL_CLOSED'
  /** The other peer does not want it. */
  | 'DECLINED'
  /** A file could not be read, written or kept, here or at the other end. */
  | 'FILE_FAILED'
  /** What arrived is not what was sent. */
  | 'CORRUPTED'
  /** This needs something that the platform does not have, as WebRTC or WebSocket. */
  | 'UNSUPPORTED'
  /** The caller has asked for what cannot be done. */
  | 'INVALID_ARGUMENT'

/** A code of docs/protocol.md, one of this side, or one that a newer server has. */
export type ParleyErrorCode = ErrorCode | LocalErrorCode | (string & {})

/** Of this side's codes those that may pass by themselves. */
const passing: readonly string[] = ['DISCONNECTED', 'TIMEOUT', 'UNREACHABLE']

/** What else is known of an error. */
export interface ParleyErrorOptions {
  /** Whether the same may succeed later, unchanged. Default: what is usual for the code. */
  readonly retryable?: boolean
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number | undefined
  /** The peers that a broadcast did not reach. */
  readonly undelivered?: readonly string[] | undefined
  /** What the platform has thrown, or an error that this one follows from. */
  readonly cause?: unknown
}

/** The only error that this library throws or rejects with. `code` is stable; `message` is a sentence for people. */
export class ParleyError extends Error {
  /** For where `instanceof` does not help, as between two copies of this library. */
  override readonly name = 'ParleyError'
  /** Whether the same may succeed later, unchanged. */
  readonly retryable: boolean
  /** Seconds after which another try makes sense, if the server says so. */
  readonly retryAfter: number | undefined
  /** The peers that a broadcast did not reach. */
  readonly undelivered: readonly string[] | undefined

  constructor(
    /** For programs to decide by. */
    readonly code: ParleyErrorCode,
    message: string,
    { retryable = passing.includes(code), retryAfter, undelivered, cause }: ParleyErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.retryable = retryable
    this.retryAfter = retryAfter
    this.undelivered = undelivered
  }
}

/** Whether it is an error of this library with one of these codes. */
export const hasCode = (error: unknown, ...codes: ParleyErrorCode[]): boolean =>
  error instanceof ParleyError && codes.includes(error.code)

/** What `act` returns; undefined if it throws. */
export function orUndefined<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}
