/** RFC 6455, as far as a load generator needs it. */

export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const

/** The frame that a client sends: masked, with the key 0,0,0,0, so that building it copies and no more. */
export function clientFrame(payload: string | Uint8Array, opcode: number = opcodes.text): Buffer {
  const body = Buffer.from(payload)
  const lengthBytes = body.length < 126 ? 0 : body.length < 65_536 ? 2 : 8
  const header = Buffer.alloc(6 + lengthBytes)
  header[0] = 0x80 | opcode
  header[1] = 0x80 | (lengthBytes === 0 ? body.length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) header.writeUInt16BE(body.length, 2)
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(body.length), 2)
  return Buffer.concat([header, body])
}

/** Bytes on the wire of a text frame from the server, for payloads of 126 bytes to 64 KiB. */
export const serverFrameBytes = (payloadBytes: number): number => payloadBytes + 4

/** Cuts a stream from the server into frames. Keeps what is incomplete until the rest comes. */
export class FrameReader {
  private rest: Buffer | undefined

  /** Calls `take` with each complete frame, in order; `payload` is only valid during the call. */
  push(chunk: Buffer, take: (opcode: number, payload: Buffer) => void): void {
    let bytes = this.rest ? Buffer.concat([this.rest, chunk]) : chunk
    for (;;) {
      const end = frameEnd(bytes)
      if (end === undefined || end.total > bytes.length) break
      take((bytes[0] ?? 0) & 0x0f, bytes.subarray(end.header, end.total))
      bytes = bytes.subarray(end.total)
    }
    this.rest = bytes.length > 0 ? Buffer.from(bytes) : undefined
  }
}

/** Where the first frame's header and the frame end; undefined while its header is incomplete. */
function frameEnd(bytes: Buffer): { header: number; total: number } | undefined {
  const length = bytes.length < 2 ? undefined : (bytes[1] ?? 0) & 0x7f
  if (length === undefined) return undefined
  if (length < 126) return { header: 2, total: 2 + length }
  const header = length === 126 ? 4 : 10
  if (bytes.length < header) return undefined
  const size = length === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  return { header, total: header + size }
}
