import { countError, type Metrics } from '../metrics.ts'
import type { Emit } from './room-events.ts'

/** Counts what happens to rooms and peers. */
export function countEvents(metrics: Metrics): Emit {
  return event => {
    switch (event.type) {
      case 'created':
        metrics.roomsCreated++
        return
      case 'made_way':
        metrics.roomsMadeWay++
        return
      case 'joined':
        metrics.registrations++
        return
      case 'back':
        metrics.resumptions++
        return
      case 'forgotten':
        metrics.peersForgotten++
        return
      case 'id_token_ended':
        countError(metrics, 'TOKEN_EXPIRED')
        return
      // What is told to the other end is counted where it is told.
      case 'refused':
      case 'removed':
      case 'ended':
      case 'moved':
      case 'past_end':
      // How many there are now, the census says.
      case 'left':
      case 'away':
      case 'changed':
      case 'departed_deleted':
      case 'id_token_renewed':
        return
      default:
        return event satisfies never
    }
  }
}
