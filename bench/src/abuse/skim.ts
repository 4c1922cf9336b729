import { clientFrame, opcodes } from '../load/frames.ts'
import type { Wire } from '../load/wire.ts'

/** Bytes of a frame that are looked at: all of an error. */
const headBytes = 512

/**
 * Reads a stream from the server as far as an attacker cares: of each frame its opcode and how its payload begins. Unlike
 * FrameReader it never puts a frame together, which with answers of a megabyte would be most of what the attacker does.
 */
class Skimmer {
  private readonly header = Buffer.alloc(10)
  private headerLength = 0
  private readonly head = Buffer.alloc(headBytes)
  private headLength = 0
  /** Bytes of the payload that are still to come. */
  private left = 0

  /** Calls `take` with each complete frame; `head` is only valid during the call. */
  push(chunk: Buffer, take: (opcode: number, head: Buffer) => void): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.left === 0) {
        this.header[this.headerLength++] = chunk[at++] ?? 0
        const size = this.payloadSize()
        if (size === undefined) continue
        this.left = size
        this.headLength = 0
      } else {
        const taken = Math.min(this.left, chunk.length - at)
        this.headLength += chunk.copy(this.head, this.headLength, at, at + Math.min(taken, headBytes - this.headLength))
        this.left -= taken
        at += taken
      }
      if (this.left > 0) continue
      this.headerLength = 0
      take((this.header[0] ?? 0) & 0x0f, this.head.subarray(0, this.headLength))
    }
  }

  /** Undefined while the header is incomplete. */
  private payloadSize(): number | undefined {
    if (this.headerLength < 2) return undefined
    const length = (this.header[1] ?? 0) & 0x7f
    if (length < 126) return length
    if (this.headerLength < (length === 126 ? 4 : 10)) return undefined
    return length === 126 ? this.header.readUInt16BE(2) : Number(this.header.readBigUInt64BE(2))
  }
}

/** Answers pings from now on, and calls `take` with the beginning of each text that comes. */
export function skim(wire: Wire, take: (head: string) => void): void {
  const skimmer = new Skimmer()
  wire.onBytes = chunk =>
    skimmer.push(chunk, (opcode, head) => {
      if (opcode === opcodes.text) take(head.toString('latin1'))
      else if (opcode === opcodes.ping) wire.send(clientFrame(head, opcodes.pong))
    })
}
