import { limits } from '@parley/protocol'

/** Bytes of a `registered_auth` that are not about other peers: names, tokens, channels, ICE servers. */
const others = 96 * 1024
/** Punctuation, member names and numbers of one peer's entries. */
const punctuation = 96

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text))

/** Bytes that a peer's names take in a `registered_auth`, where it stands in `peer_list`, `peer_metadata` and `roster`. */
export const namesBytes = (id: string, role: string): number => 3 * jsonBytes(id) + jsonBytes(role) + punctuation

/** The same for all of it. In `peer_list`, the answer to `discover_peers`, it takes less. @param metadata bytes */
export const entryBytes = (names: number, metadata: number): number => names + 2 * metadata

/**
 * Bytes that the entries of all peers of a room may have, so that a peer that enters can be told of them in one message. Python's
 * `websockets` closes a connection at 1 MiB; an operator who lets messages be bigger has clients that read more.
 */
export const mostEntriesBytes = (messageBytes: number): number => Math.max(messageBytes, limits.messageBytes) - others
