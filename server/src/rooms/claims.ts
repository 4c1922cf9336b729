import type { Clock } from '../clock.ts'
import type { Cluster, Placement } from '../cluster/cluster.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { Room } from './room.ts'
import { ServedElsewhere } from './served-elsewhere.ts'

const silent = 'It cannot be found out which node serves the room.'

/** Milliseconds after which the claim of a room is of no use to anybody, unless it is prolonged. */
export const claimFor = 24 * 3_600_000

/** Which rooms this node serves. Every member throws ServedElsewhere where another one does, and SignalingError UNAVAILABLE. */
export class Claims {
  constructor(
    private readonly parts: { readonly clock: Clock; readonly cluster: Cluster },
    /** Those that are open on this node. */
    private readonly rooms: ReadonlyMap<string, Room>,
  ) {}

  /** Resolves if that claim has made the room this node's. @param by the uptime until which it is waited for */
  async expectHere(claimed: Promise<Placement>, by?: number): Promise<void> {
    const { clock, cluster } = this.parts
    const { node } = await withDeadline(clock, claimed, silent, by)
    if (node !== cluster.self.id) throw new ServedElsewhere(node)
  }

  /** What `act` results in, while this node serves the room. */
  async serving<T>(roomId: string, act: () => Promise<T>): Promise<T> {
    const { cluster } = this.parts
    await this.expectHere(this.rooms.get(roomId)?.claimed ?? cluster.claim(roomId, claimFor))
    try {
      return await act()
    } finally {
      if (!this.rooms.has(roomId)) cluster.release(roomId)
    }
  }

  /** The room, if it is open on this node. Claims nothing. */
  async find(roomId: string): Promise<Room | undefined> {
    const open = this.rooms.get(roomId)
    if (open?.record) {
      await this.expectHere(open.claimed)
      return open
    }
    const { clock, cluster } = this.parts
    const placement = await withDeadline(clock, cluster.find(roomId), silent)
    if (placement && placement.node !== cluster.self.id) throw new ServedElsewhere(placement.node)
    return this.rooms.get(roomId)
  }
}
