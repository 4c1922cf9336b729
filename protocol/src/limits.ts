/** Limits that both ends know. Those that an operator may change are defaults here and settings in the server. */
export const limits = {
  /** Bytes of one message of a registered peer: the original server's limit. */
  messageBytes: 1024 * 1024,
  /** Bytes of one message on a connection that has not registered yet. */
  unregisteredMessageBytes: 64 * 1024,
  /** Characters, as people count them, of a `peer_id`. */
  peerIdLength: 128,
  /** UTF-16 code units of a `target` that an error repeats, and of any name: no setting makes a `peer_id` longer. */
  echoLength: 1024,
  /** Characters of a `role`. */
  roleLength: 64,
  /** Bytes of a peer's or a room's `metadata` as JSON. */
  metadataBytes: 16 * 1024,
  /** Characters of a room's `name`. */
  roomNameLength: 128,
  /** Objects and arrays within each other; Python's own JSON reader gives up at about 1,000. */
  nesting: 128,
  /** Names in `features`, and characters of each. */
  features: 32,
  featureLength: 64,
  /** Channels that a peer may be in, and characters of the name of each. */
  channels: 32,
  channelLength: 64,
} as const
