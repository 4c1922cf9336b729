import type { Frame } from '../sessions/frames.ts'
import type { SessionLimits, SessionParts } from '../sessions/session-parts.ts'
import type { Connection } from './connection.ts'
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

/** How a connection comes to another node. */
export interface Relocation {
  /** Resolves when that can be reached, with what has it handle these frames and what comes next. @throws SignalingError UNAVAILABLE */
  to(node: string): Promise<(connection: Connection, frames: readonly Frame[]) => void>
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
  readonly relocation: Relocation
}
