import { mostOfOneRoom, type RoomRecord, type RoomSummary, tooMuchForOneRoom } from '../room-store.ts'

/**
 * A room as Redis keeps it, a hash: JSON, as that keeps what Lua would not (an empty list, a long number). Who was removed and
 * invited is apart, so that a list of rooms can be had without it.
 */
export interface Fields {
  readonly revision: string
  /** The `RoomSummary` but for its revision. */
  readonly summary: string
  readonly lists: string
}

/** One key each; what is in braces says to Redis which rooms belong together, should there be several servers. */
export const roomKey = (roomId: string) => `parley:room-record:{${roomId}}`
export const creatorKey = (identity: string) => `parley:rooms-created-by:{${identity}}`

/** @throws SignalingError LIMIT_REACHED if the room is too big */
export function fieldsOf({ revision, removed, invites, ...rest }: RoomRecord): Fields {
  const summary = JSON.stringify(rest)
  const lists = JSON.stringify({ removed, invites })
  if (summary.length + lists.length > mostOfOneRoom) throw tooMuchForOneRoom()
  return { revision: String(revision), summary, lists }
}

/** @param answer to HMGET of `revision` and `summary`, in this order */
export function summaryOf(answer: unknown): RoomSummary | undefined {
  const [revision, summary] = answer as readonly (string | null)[]
  return revision && summary ? { ...JSON.parse(summary), revision: Number(revision) } : undefined
}

/** @param answer to HMGET of `revision`, `summary` and `lists`, in this order */
export function roomOf(answer: unknown): RoomRecord | undefined {
  const [, , lists] = answer as readonly (string | null)[]
  const summary = summaryOf(answer)
  return summary && lists ? { ...summary, ...JSON.parse(lists) } : undefined
}
