import type { Backplane, Envelope } from '../backplane/backplane.ts'
import type { Clock } from '../clock.ts'
import { reasons } from '../log.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { Emit } from './room-events.ts'

export const backplaneSilent = 'The other nodes cannot be reached.'

/** For so long the other nodes are told, even if the store has taken all the time that there was. Milliseconds. */
const tellWithin = 500

/**
 * Tells the other nodes what has happened to a room here and in the store. It has happened whether they can be told or
 * not, so this never fails.
 * @param by the uptime until which it is waited for
 */
export async function tellOtherNodes(
  { backplane, clock, emit }: { readonly backplane: Backplane; readonly clock: Clock; readonly emit: Emit },
  envelope: Envelope,
  by: number,
): Promise<void> {
  const soon = Math.max(by, clock.uptime() + tellWithin)
  await withDeadline(clock, backplane.publish(envelope), backplaneSilent, soon).catch(error => {
    emit({ type: 'nodes_not_told', room: envelope.room_id, what: envelope.type, cause: reasons(error) })
  })
}
