import type { ParleyError } from './errors.ts'

export interface NegotiationOptions {
  /** Names the attempt to connect, `link` on the wire; undefined with a peer that gives them no names. */
  readonly id: string | undefined
  /** Whether this side makes the first offer. */
  readonly isFirst: boolean
  /** A description of the other side has been taken, which may have restarted ICE. */
  heard(isRestart: boolean): void
  /** It cannot be brought to an end, or a change cannot. */
  failed(error: ParleyError): void
}
