import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { RefusedAttempt } from '../refused-attempts.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import type { Guesses } from './guesses.ts'
import type { Beat } from './heartbeat.ts'
import type { Newcomers } from './newcomers.ts'
import type { Queues } from './queues.ts'
import type { ReceiveBuffers } from './receive-buffers.ts'

export interface ConnectionLimits {
  readonly peerIdLength: number
  /** Bytes of a message before the connection has registered. */
  readonly unregisteredMessageBytes: number
  /** Bytes of a message. */
  readonly messageBytes: number
  /** Bytes of messages that may wait for the answer to the first `register`; at a registered peer, one message more. */
  readonly waitingBytes: number
  /** Errors that a connection may cause in a minute; beyond it is rate-limited, at twice as many closed. */
  readonly errorsPerMinute: number
  /** Which errors plain peers are sent. */
  readonly plainPeerErrors: 'all' | 'register'
}

/** What connections have in common. */
export interface ConnectionParts {
  readonly rooms: Rooms
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: ConnectionLimits
  readonly guesses: Guesses
  readonly newcomers: Newcomers
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  readonly buffers: ReceiveBuffers
  readonly refusedAttempt: RefusedAttempt
  readonly queues: Queues
  /** That of the heartbeat. */
  readonly beat: Beat
}
