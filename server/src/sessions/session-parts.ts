import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { RefusedAttempt } from '../refused-attempts.ts'
import type { Emit } from '../rooms/room-events.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import type { Guesses } from './guesses.ts'
import type { KeptMemory } from './replay.ts'

export interface SessionLimits {
  readonly peerIdLength: number
  /** Bytes of a message before the connection has registered. */
  readonly unregisteredMessageBytes: number
  /** Errors that a connection may cause in a minute; beyond it is rate-limited, at twice as many closed. */
  readonly errorsPerMinute: number
  /** Which errors plain peers are sent. */
  readonly plainPeerErrors: 'all' | 'register'
  /** Seconds that a peer with `resume` has to come back. */
  readonly resumeTtl: number
}

/** What sessions have in common. */
export interface SessionParts {
  readonly rooms: Rooms
  readonly clock: Clock
  readonly emit: Emit
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: SessionLimits
  readonly guesses: Guesses
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  readonly refusedAttempt: RefusedAttempt
  readonly keptMemory: KeptMemory
}
