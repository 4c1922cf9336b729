import type { LeaveReason } from '@parley/protocol'
import { type Channels, meet, type Peer } from './room.ts'

/** What happened to a peer: who shares a channel `before` could see it, who shares one `after` can. */
export interface RosterChange {
  readonly peer: Peer
  /** Undefined: it was not in the room. */
  readonly before: Channels | undefined
  /** Undefined: it is in the room no more. */
  readonly after: Channels | undefined
  /** Why it left. */
  readonly reason?: LeaveReason
  /** It went from some channels to others, and is otherwise as it was. */
  readonly isMove?: boolean
}

type View = 'joined' | 'left' | 'updated'

/** What a reader in these channels sees of the change; undefined: nothing. */
export function viewOf({ before, after, isMove }: RosterChange, channels: Channels): View | undefined {
  const saw = before !== undefined && meet(before, channels)
  const sees = after !== undefined && meet(after, channels)
  if (saw && sees) return isMove ? undefined : 'updated'
  return saw ? 'left' : sees ? 'joined' : undefined
}

/** What became of one peer in all changes together. */
interface History {
  /** The reader knew it before them. */
  readonly wasThere: boolean
  /** It is there now. */
  isThere: boolean
  /** The reader saw it leave, for this reason. */
  reason: LeaveReason | undefined
  peer: Peer
}

/**
 * Changes as one `peers_changed`: of each peer what it was for the reader before them, and what it is now. Many readers
 * in the same channels share one, as only their own changes are left out.
 */
export class RosterSummary {
  readonly #histories = new Map<string, History>()
  #forAll: string | undefined
  #isWritten = false

  constructor(changes: readonly RosterChange[], channels: Channels) {
    for (const change of changes) {
      const view = viewOf(change, channels)
      if (view !== undefined) this.#add(change, view)
    }
  }

  /** What the peer of this id is told, which is nothing of itself; undefined if all in all nothing has changed. */
  textFor(readerId: string): string | undefined {
    if (this.#histories.has(readerId)) return this.#write(readerId)
    if (!this.#isWritten) this.#forAll = this.#write(undefined)
    this.#isWritten = true
    return this.#forAll
  }

  #add({ peer, reason = 'left' }: RosterChange, view: View): void {
    const history = this.#histories.get(peer.id) ?? {
      wasThere: view !== 'joined',
      isThere: true,
      reason: undefined,
      peer,
    }
    history.isThere = view !== 'left'
    history.peer = peer
    if (view === 'left') history.reason = reason
    this.#histories.set(peer.id, history)
  }

  #write(without: string | undefined): string | undefined {
    const joined: string[] = []
    const left: string[] = []
    const updated: string[] = []
    for (const [id, { wasThere, isThere, reason, peer }] of this.#histories) {
      if (id === without) continue
      if (wasThere && reason !== undefined) left.push(JSON.stringify({ peer_id: id, reason }))
      if (isThere) (wasThere && reason === undefined ? updated : joined).push(peer.described)
    }
    if (joined.length + left.length + updated.length === 0) return undefined
    return `{"type":"peers_changed","joined":[${joined}],"left":[${left}],"updated":[${updated}]}`
  }
}
