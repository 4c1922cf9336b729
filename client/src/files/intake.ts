import { violation } from './protocol.ts'
import type { Sha256 } from './sha256.ts'

/** The content of a file as it arrives. */
export interface Intake {
  /** Bytes that have arrived. */
  received: number
  /** The hash of these. */
  hash: Sha256
  /** Those that are not in the sink. */
  queue: Uint8Array<ArrayBuffer>[]
}

/**
 * Takes what has arrived, which is never more than was offered and asked for.
 * @param size bytes of the file @param most bytes that may have arrived by now
 * @throws ParleyError FILE_FAILED
 */
export function take(content: Intake, bytes: Uint8Array<ArrayBuffer>, size: number, most: number): void {
  content.received += bytes.length
  if (content.received > size) throw violation('size')
  if (content.received > most) throw violation('window')
  content.hash.update(bytes)
  content.queue.push(bytes)
}
