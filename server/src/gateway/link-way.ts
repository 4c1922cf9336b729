import type { NodeLink } from './crossing.ts'
import { type CrossingKind, crossing, type Way } from './crossing-frames.ts'

/** Bytes of a frame that go over a link at once: those of one socket must not hold up the others for long. */
const mostAtOnce = 512 * 1024
/** Bytes of a frame in pieces, beyond which the other node is wrong. */
const mostInAll = 64 * 1024 * 1024

/** The way of one socket. Frames of any length go over it, the long ones in pieces. */
export class LinkWay implements Way {
  constructor(
    private readonly link: NodeLink,
    private readonly handle: number,
  ) {}

  send(type: number, body: string | Uint8Array, kind: CrossingKind): boolean {
    const { link, handle } = this
    // A character of UTF-16 has three bytes in UTF-8 at most.
    if (body.length * 3 <= mostAtOnce || Buffer.byteLength(body) <= mostAtOnce)
      return link.send(type, handle, body, kind)
    const bytes = Buffer.from(body as string)
    for (let at = 0; at < bytes.length; at += mostAtOnce) {
      if (!link.send(crossing.piece, handle, bytes.subarray(at, at + mostAtOnce), kind)) return false
    }
    return link.send(type, handle, typeof body === 'string' ? '' : Buffer.of(), kind)
  }
}

/** Where the other node has gone. */
export const nowhere: Way = { send: () => false }

// A byte order mark is part of the text.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Puts together what came in pieces. */
export class Pieces {
  #pieces: Buffer[] | undefined
  #bytes = 0

  /** @throws RangeError where they are more than any frame has */
  add(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > mostInAll) throw new RangeError('too many pieces')
    this.#pieces ??= []
    this.#pieces.push(piece)
  }

  /** The text of which this is the last piece. @throws TypeError where it is none */
  text(last: string): string {
    return this.#pieces ? utf8.decode(this.#whole(Buffer.from(last))) : last
  }

  /** The same of bytes. */
  bytes(last: Buffer): Buffer {
    return this.#pieces ? this.#whole(last) : last
  }

  #whole(last: Buffer): Buffer {
    const whole = Buffer.concat([...(this.#pieces ?? []), last])
    this.#pieces = undefined
    this.#bytes = 0
    return whole
  }
}
