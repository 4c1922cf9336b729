import type { Clock } from '../clock.ts'
import type { ParleyError } from '../errors.ts'
import type { IncomingFile } from './incoming-file.ts'
import type { Frame, Offer } from './protocol.ts'
import type { Sha256 } from './sha256.ts'
import type { TakeTurn } from './turns.ts'
import type { Wire } from './wire.ts'

export interface IncomingParts {
  readonly sha256: () => Sha256
  readonly clock: Clock
  /** So many files of the peer at a time. */
  readonly takeTurn: TakeTurn
  /** Milliseconds without a connection after which the sender is not waited for any more. */
  readonly resumeWithin: number
  /** Milliseconds that the decision may take. */
  readonly decideWithin: number
  /** Whether files of folders are welcome. */
  readonly folders: boolean
  /** It is over. `outcome` is for the sender if it asks again; without one it may begin again. */
  settled(outcome: Frame | undefined): void
}

/** A file on its way from another peer, over as many channels as it takes. */
export interface Incoming extends IncomingFile {
  /** An error is how the transfer ends. */
  decline(reason?: string | ParleyError): void
  /** Goes on over this wire, on which the sender has just made this offer. */
  attach(wire: Wire, offer: Offer): void
  /** Ends it for both sides, unless it is too late. */
  end(error: ParleyError): void
}
