import type { Wire } from './proxy.ts'
import type { Request, Session, Story } from './story.ts'

/** A connection of a peer. */
export interface Line {
  readonly name: string
  readonly wire: Wire
  readonly socket: WebSocket
  /** Whose frames come on it. */
  session: Session
  /** The `register` on it that has no answer yet. */
  registering: Request | undefined
  /** The id of the `resume` on it that has no answer yet. */
  resuming: string | undefined
  /** What was sent on it. */
  readonly said: Set<Request>
  /** The peer reads it no more, as it has sent `resume` on another one. */
  isAbandoned: boolean
  /** The peer has closed it, or has heard `bye` on it. */
  isLetGo: boolean
}

/** Whether the server has a reason to end the session with that `bye`. */
export function mayBeToldBye({ overAt, room, auth }: Session, code: unknown, story: Story): boolean {
  switch (code) {
    case 'PEER_REPLACED':
      return overAt < Infinity
    case 'ROOM_DELETED':
      return story.deletedAt.has(room)
    case 'SHUTTING_DOWN':
      return story.stoppedAt < Infinity
    case 'REGISTER_TIMEOUT':
      return !auth
    default:
      return false
  }
}

/** Whether the connection may end like that. */
export function mayBeClosed(line: Line, code: number, story: Story): boolean {
  const { session, wire, resuming, isLetGo, isAbandoned } = line
  // The way between its node and that of its room was cut.
  if (code === 1012 && story.cutAt < Infinity) return true
  if (isLetGo || isAbandoned || !wire.isWhole || story.stoppedAt < Infinity) return true
  // One that has said nothing in time may know no `bye`, as a plain peer does not.
  if (!session.auth || resuming) return code === 4408
  return session.isPlain && story.deletedAt.has(session.room)
}
