import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { throttle } from '../resilience/throttle.ts'
import type { Emit } from './room-events.ts'

/** Between two lines that say that something was forgotten early. Milliseconds. */
const forgottenLinesEvery = 600_000

/** Writes what happens to rooms and peers into the log, a line each. */
export function logEvents(log: Log, clock: Clock): Emit {
  const mayLogForgotten = throttle(clock, forgottenLinesEvery)
  return event => {
    const { type, room } = event
    switch (type) {
      case 'created':
        return log.info({ room, expires_at: event.expiresAt }, 'room created')
      case 'changed':
        return log.info({ room, revision: event.revision }, 'room changed')
      case 'past_end':
        return log.info({ room, released: event.released, stay: event.stay }, 'room past its end')
      case 'ended':
        return log.info({ room, peers: event.peers, code: event.code }, 'room ended')
      case 'made_way':
        return log.info({ room }, 'room that nobody has entered made way')
      case 'moved':
        return log.warn({ room, node: event.node }, 'room served by another node')
      case 'joined': {
        const { peer, role, replaced, turnUser } = event
        return log.info({ room, peer, role, replaced, turn_user: turnUser }, 'peer registered')
      }
      case 'away':
        return log.info({ room, peer: event.peer }, 'peer away')
      case 'back':
        return log.info({ room, peer: event.peer, missed: event.missed }, 'peer back')
      case 'left':
        return log.info({ room, peer: event.peer, reason: event.reason }, 'peer left')
      case 'removed':
        return log.info({ room, peer: event.peer }, 'peer removed')
      case 'departed_deleted':
        return log.info({ room, peer: event.peer }, 'departed peer deleted')
      case 'id_token_renewed':
        return log.debug({ room, peer: event.peer, expires_at: event.expiresAt }, 'ID token renewed')
      case 'id_token_ended':
        return log.info({ room, peer: event.peer, code: 'TOKEN_EXPIRED' }, 'connection closed')
      case 'forgotten': {
        if (!mayLogForgotten()) return
        const { memories, idleRooms, bytes, address } = event
        const sentence = 'peers that have left are forgotten early; parley_peers_forgotten_total counts them'
        return log.warn({ memories, idleRooms, bytes, address }, sentence)
      }
      case 'refused':
        // Its session or connection logs each refusal, of whatever it was.
        return
      default:
        return event satisfies never
    }
  }
}
