/** A server that shares its rooms with others. */
export interface Node {
  /** Another one at each start. */
  readonly id: string
  /** For people: in logs and metrics. */
  readonly name: string
  /** Where other nodes reach it: `host:port`. */
  readonly address: string
  /** That of the program, and of what it speaks with other nodes. */
  readonly version: string
}

/**
 * Which node serves a room. Of two placements the one with the greater number counts; of equal numbers that of the greater
 * node id: after a cut, two nodes may have claimed one room.
 */
export interface Placement {
  readonly node: string
  /** Goes up whenever the room comes to another node, and when its claim was lost with all others. */
  readonly number: number
}

export interface ClusterListener {
  /** Another node has claimed a room that this one serves, and that claim counts. It is not released. */
  lost(roomId: string, to: Placement): void
  /** A node has been struck off: it was silent, and did not answer at its address. */
  died(node: Node): void
}

/**
 * The nodes that serve the same rooms, and which node serves which. A room lives on one node; connections enter anywhere.
 * Members that wait answer within 5 s, or throw SignalingError UNAVAILABLE.
 */
export interface Cluster {
  readonly self: Node
  /** To be called once, before anything else. */
  listen(listener: ClusterListener): void
  /** The others that are alive, as far as this node knows. */
  others(): readonly Node[]
  /** What is known of a node, also of one that has just come; undefined if nothing is. */
  node(id: string): Promise<Node | undefined>
  /**
   * Who serves the room: this node from now on, if no living node does. To claim a room that is this node's already is harmless.
   * @param end milliseconds from now until nobody is expected to need the claim, should this node die; as long as it lives,
   *   and does not release the room, the claim stays
   */
  claim(roomId: string, end: number): Promise<Placement>
  /** Who serves the room; undefined if no living node does. Claims nothing. */
  find(roomId: string): Promise<Placement | undefined>
  /** This node serves the room no more. Never throws, and is not waited for: what fails is made good by the end of the claim. */
  release(roomId: string): void
  /**
   * Resolves if this node may be sent traffic. `degraded`: no node can find out who serves a room that it does not know, so another
   * one would do no better. @throws SignalingError UNAVAILABLE if another one would
   */
  ready(): Promise<'ready' | 'degraded'>
  /** Takes this node out of the cluster. Its claims are free from then on. */
  close(): Promise<void>
}
