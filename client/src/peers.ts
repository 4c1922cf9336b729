import type { JsonObject, LeaveReason, PeerDescription, ServerMessage } from '@parley/protocol'

/** Another peer of the room, as it describes itself. */
export interface Peer {
  /** Unique in the room. */
  readonly id: string
  /** `peer`, if it does not say. */
  readonly role: string
  /** What it says of itself, to be found by. */
  readonly metadata: JsonObject
  /** Seconds since the epoch at which it registered. */
  readonly connectedAt: number
}

export const peerOf = ({ peer_id, role, metadata, connected_at }: PeerDescription): Peer => ({
  id: peer_id,
  role,
  metadata,
  connectedAt: connected_at,
})

type PresenceMessage = Extract<
  ServerMessage,
  { readonly type: 'peer_joined' | 'peer_left' | 'peer_updated' | 'peers_changed' }
>

export interface RosterListener {
  joined(peer: Peer): void
  /** @param isTold whether the server has just said so; otherwise it was found by comparing */
  left(id: string, reason: LeaveReason, isTold: boolean): void
  updated(peer: Peer): void
}

/** Who else is in the room, kept as the server tells it. The listener hears of each change after it has been made. */
export class Roster {
  readonly peers = new Map<string, Peer>()

  constructor(private readonly listener: RosterListener) {}

  /** What the server tells. */
  hear(message: PresenceMessage): void {
    if (message.type === 'peer_left') this.#drop(message.peer_id, message.reason, true)
    else if (message.type === 'peer_joined') this.#join(message.peer)
    else if (message.type === 'peer_updated') this.#update(message.peer)
    else {
      for (const { peer_id, reason } of message.left) this.#drop(peer_id, reason, true)
      for (const peer of message.joined) this.#join(peer)
      for (const peer of message.updated) this.#update(peer)
    }
  }

  #join(description: PeerDescription): void {
    this.listener.joined(this.#keep(description))
  }

  /** The id that a peer has registered under, of a name that is perhaps spelt in another way (Unicode, UAX #15). */
  idOf(name: string): string {
    const isSame = (id: string) => id.normalize() === name.normalize()
    return (!this.peers.has(name) && [...this.peers.keys()].find(isSame)) || name
  }

  #update(description: PeerDescription): void {
    this.listener.updated(this.#keep(description))
  }

  #drop(id: string, reason: LeaveReason, isTold: boolean): void {
    if (this.peers.delete(id)) this.listener.left(id, reason, isTold)
  }

  #keep(description: PeerDescription): Peer {
    const peer = peerOf(description)
    this.peers.set(peer.id, peer)
    return peer
  }

  /**
   * What has changed while nobody told, found by comparing with the room as it is now. A peer that has registered again
   * meanwhile has left and joined; after a restart of the server that is everybody.
   */
  reconcile(descriptions: readonly PeerDescription[]): void {
    const now = new Set(descriptions.map(({ peer_id }) => peer_id))
    for (const id of [...this.peers.keys()]) if (!now.has(id)) this.#drop(id, 'disconnected', false)
    for (const description of descriptions) {
      const { peer_id: id, connected_at } = description
      if (this.peers.get(id)?.connectedAt !== connected_at) this.#drop(id, 'replaced', false)
      const before = this.peers.get(id)
      if (!before) this.#join(description)
      else if (isChanged(before, description)) this.#update(description)
      else this.#keep(description)
    }
  }
}

const isChanged = (before: Peer, { role, metadata }: PeerDescription): boolean =>
  before.role !== role || JSON.stringify(before.metadata) !== JSON.stringify(metadata)
