import { clientFrame } from '../server/test/raw-connection.ts'
import type { Random } from './random.ts'

/** A message in several frames, which may be empty, and with pings between them (RFC 6455 section 5.4). */
export function fragments(random: Random, bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  let at = 0
  do {
    const end = random.oneIn(3) ? bytes.length : at + random.below(bytes.length - at + 1)
    parts.push(clientFrame(parts.length === 0 ? 1 : 0, bytes.subarray(at, end), end === bytes.length))
    if (end < bytes.length && random.oneIn(2)) parts.push(clientFrame(9, Buffer.from('p')))
    at = end
  } while (at < bytes.length)
  return Buffer.concat(parts)
}
