import type { SessionLimits, SessionParts } from '../sessions/session-parts.ts'
import type { Beat } from './heartbeat.ts'
import type { Newcomers } from './newcomers.ts'
import type { Queues } from './queues.ts'
import type { ReceiveBuffers } from './receive-buffers.ts'
import type { SharedWrites } from './shared-writes.ts'

export interface ConnectionLimits extends SessionLimits {
  /** Bytes of a message. */
  readonly messageBytes: number
  /** Bytes of messages that may wait for the answer to the first `register`; at a registered peer, one message more. */
  readonly waitingBytes: number
  /** Bytes that may wait for a peer that reads too slowly. */
  readonly queueBytes: number
}

/** What connections have in common. */
export interface ConnectionParts extends SessionParts {
  readonly limits: ConnectionLimits
  readonly newcomers: Newcomers
  readonly buffers: ReceiveBuffers
  readonly queues: Queues
  readonly writes: SharedWrites
  /** That of the heartbeat. */
  readonly beat: Beat
}
