/** A WebSocket without a library, for what a library would not send. Resolves once the upgrade is answered. */
export async function rawConnection(ws: string, target = '/') {
  const { hostname, port } = new URL(ws)
  let received = Buffer.alloc(0)
  let upgraded = () => {}
  let arrived = () => {}
  let chunks = 0
  const { promise: closed, resolve: close } = Promise.withResolvers<Buffer>()
  const ready = new Promise<void>(resolve => (upgraded = resolve))
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, chunk) {
        chunks++
        received = Buffer.concat([received, chunk])
        arrived()
        const head = received.indexOf('\r\n\r\n')
        if (head < 0 || !received.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) return
        received = received.subarray(head + 4)
        upgraded()
      },
      close: () => close(received),
    },
  })
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  await ready
  return {
    write: (bytes: Uint8Array) => socket.write(bytes),
    /** Reads no more. */
    pause: () => socket.pause(),
    /** Reads again. */
    resume: () => socket.resume(),
    end: () => socket.end(),
    /** In how many pieces the bytes have come. */
    chunks: () => chunks,
    /** Resolves as soon as that is true of the bytes that came after the upgrade. */
    async until(holds: (bytes: Buffer) => boolean): Promise<void> {
      while (!holds(received)) await new Promise<void>(resolve => (arrived = resolve))
    },
    /** Resolves with the bytes that came after the upgrade, once the connection has ended. */
    closed,
    /** The same, as the code of the first close frame among them. */
    closeCode: async () => closeCodeIn(await closed),
  }
}

function closeCodeIn(bytes: Buffer): number | undefined {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const opcode = (bytes[at] ?? 0) & 15
    const short = (bytes[at + 1] ?? 0) & 127
    const head = short === 126 ? 4 : short === 127 ? 10 : 2
    const length =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short
    if (opcode === 8) return bytes.readUInt16BE(at + head)
    at += head + length
  }
  return undefined
}

/** A client frame (RFC 6455 section 5.2), masked with zeros. */
export function clientFrame(opcode: number, payload: Uint8Array, final = true): Buffer {
  const length = payload.length
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14)
  head[0] = (final ? 128 : 0) | opcode
  head[1] = 128 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 8) head.writeUInt16BE(length, 2)
  if (head.length === 14) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}
