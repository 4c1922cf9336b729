import { SignalingError, toSignalingError } from '@parley/protocol'
import { type Identity, identitySilent } from '../identity/identity.ts'
import { logFailure } from '../log.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { CreatedRooms } from './created-rooms.ts'
import { type Claim, mayDelete, provesRight } from './rights.ts'
import type { Departed, Room } from './room.ts'
import { type RoomRegistry, type RoomRegistryParts, storeSilent } from './room-registry.ts'

export interface CleanUpParts extends RoomRegistryParts {
  readonly identity: Identity
}

/** `unknown`: there is no such peer. `departed`: it had left the room already. */
export type PeerDeletion = 'unknown' | 'departed' | { readonly roomDeleted: boolean }

/** Deletes rooms and peers, with the anonymous identities that were in them. */
export class CleanUp {
  constructor(
    private readonly parts: CleanUpParts,
    private readonly registry: RoomRegistry,
    private readonly created: CreatedRooms,
  ) {}

  /**
   * Deletes a room and all that belongs to it: its peers are disconnected, their anonymous identities are signed out.
   * The room is named by its id, or by a peer that is or was in it. Deployed clients clean up after themselves that way,
   * without a proof, when they have left: while others are in the room, that deletes what is left of this peer alone.
   * @returns whether there was such a room or peer
   * @throws SignalingError FORBIDDEN if `claim` gives no right to it, UNAVAILABLE if the store does not answer
   */
  async delete(named: { roomId: string } | { peerId: string }, claim: Claim): Promise<boolean> {
    const roomId = 'roomId' in named ? named.roomId : (await this.registry.directory.find(named.peerId, claim))?.id
    if (roomId === undefined) return false
    return this.registry.claims.serving(roomId, () => this.#delete(roomId, named, claim))
  }

  async #delete(roomId: string, named: { roomId: string } | { peerId: string }, claim: Claim): Promise<boolean> {
    const { clock, store } = this.parts
    const room = this.registry.get(roomId)
    const record = room?.record ?? (await withDeadline(clock, store.get(roomId), storeSilent))
    if (!record) return false
    if (!mayDelete(record, room, claim, 'peerId' in named ? named.peerId : undefined))
      throw new SignalingError('FORBIDDEN')
    const departed = 'peerId' in named ? room?.departed.get(named.peerId) : undefined
    if (room && departed && room.peers.size > 0 && !provesRight(record, room, claim)) {
      await this.#deleteDeparted(room, departed)
    } else await this.deleteRoom(roomId)
    return true
  }

  /**
   * Removes one peer and signs its identity out; with its last peer the room goes, too. The peer is gone whatever the store
   * says: where the room cannot be deleted, `roomDeleted` is false, and the room stays until its end.
   * @throws SignalingError FORBIDDEN
   */
  async deletePeer(peerId: string, claim: Claim): Promise<PeerDeletion> {
    const room = await this.registry.directory.find(peerId, claim)
    if (!room) return 'unknown'
    const peer = room.peers.get(peerId)
    const departed = room.departed.get(peerId)
    if (!peer) {
      if (departed) await this.#deleteDeparted(room, departed)
      return 'departed'
    }
    this.registry.expel(peer)
    if (room.peers.size === 0) {
      try {
        await this.deleteRoom(room.id)
        return { roomDeleted: true }
      } catch (error) {
        logFailure(this.parts.log, toSignalingError(error), { room: room.id })
      }
    }
    await this.#signOut([peer.username])
    return { roomDeleted: false }
  }

  /**
   * Deletes a room on all nodes. Looks at no rights: the caller has. Once the store has deleted it, it has ended here, and
   * nothing that fails then makes that an error. Should the store answer too late, the caller hears that it is not known
   * yet; the room ends here nevertheless when the answer comes.
   * @throws SignalingError UNAVAILABLE
   */
  async deleteRoom(roomId: string): Promise<void> {
    const { clock, store } = this.parts
    let signedOut = Promise.resolve()
    const deletion = store.delete(roomId).then(() => {
      this.created.remove(roomId)
      const room = this.registry.get(roomId)
      const usernames = room?.usernames ?? []
      if (room) this.registry.end(room, new SignalingError('ROOM_DELETED'))
      signedOut = this.#signOut(usernames)
    })
    await withDeadline(clock, deletion, storeSilent)
    await signedOut
  }

  /** Forgets a peer that has left, and signs its identity out unless another peer still uses that. */
  async #deleteDeparted(room: Room, departed: Departed): Promise<void> {
    const { id, identity, username } = departed
    this.registry.past.forgetPeer(departed)
    this.registry.forgetIfUnused(room)
    this.parts.emit({ type: 'departed_deleted', room: room.id, peer: id })
    if (this.registry.directory.peersOf(identity) === 0) await this.#signOut([username])
  }

  /** The deletion that this belongs to has happened; what fails here is for the operator. */
  async #signOut(usernames: readonly string[]): Promise<void> {
    if (usernames.length === 0) return
    const { clock, identity, log } = this.parts
    try {
      await withDeadline(clock, identity.signOut(usernames), identitySilent)
    } catch (error) {
      // Not that it is unavailable, but why, and how many are left.
      const { cause = error } = error as Error
      log.error({ identities: usernames.length, error: String(cause) }, 'identities not signed out')
    }
  }
}
