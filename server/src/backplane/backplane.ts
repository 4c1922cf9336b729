/** What one node tells the others about a room. */
export interface Envelope {
  /** `room_changed`: its record in the store is another one. */
  readonly type: 'room_deleted' | 'room_changed'
  readonly room_id: string
}

/**
 * Connects the nodes that serve the same rooms. What is published about a room reaches every subscriber of that room,
 * on every node including this one, exactly once and in the order in which one node published it.
 */
export interface Backplane {
  /**
   * Resolves once live: whatever is published afterwards will arrive. `deliver` must not throw.
   * The result ends the subscription; nothing arrives after it has been called.
   */
  subscribe(roomId: string, deliver: (envelope: Envelope) => void): Promise<() => void>
  /** Resolves when the envelope is on its way to every subscriber. */
  publish(envelope: Envelope): Promise<void>
  /** Resolves if the other nodes can be reached now. */
  ready(): Promise<void>
  close(): Promise<void>
}
