import type { EarlierPart } from './file-sink.ts'
import type { Sha256 } from './sha256.ts'

/** What a sink has already, as it is compared with what the sender has. */
export interface Compared {
  readonly part: EarlierPart
  /** Bytes. */
  readonly size: number
  readonly sha256: string
  /** The hash that goes on behind it. */
  readonly hash: Sha256
}

/** Bytes that are read at once. */
const blockBytes = 1024 * 1024

/** Reads what a sink has already. @throws what its `read` throws; what `signal` is aborted with */
export async function compared(part: EarlierPart, sha256: () => Sha256, signal: AbortSignal): Promise<Compared> {
  const { size } = part
  // There is no copy of a running hash.
  const [begin, hash] = [sha256(), sha256()]
  for (let at = 0; at < size; ) {
    const block = await part.read(at, Math.min(blockBytes, size - at))
    signal.throwIfAborted()
    begin.update(block)
    hash.update(block)
    at += block.length
  }
  return { part, size, sha256: begin.hex(), hash }
}
