import { dlopen, ptr } from 'bun:ffi'
import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { manualClock } from '../clock.ts'
import { TimeSlices } from '../time-slices.ts'
import { ReceiveBuffers } from './receive-buffers.ts'

const { symbols: libc } = dlopen('libc.so.6', {
  getpeername: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
})

/** Bytes that the kernel keeps, at the server's end of the connection from `port`: twice of what it was told. */
function receiveBuffer(port: number): number {
  const [name, value] = [Buffer.alloc(28), new Int32Array(1)]
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (libc.getpeername(fd, ptr(name), ptr(new Uint32Array([28]))) !== 0 || name.readUInt16BE(2) !== port) continue
    libc.getsockopt(fd, 1, 8, ptr(value), ptr(new Uint32Array([4])))
    return (value[0] ?? 0) / 2
  }
  throw new Error(`There is no connection from port ${port}.`)
}

/** A server with bounded buffers, and connections to it. */
async function world(hostname: string) {
  const clock = manualClock()
  const buffers = new ReceiveBuffers(clock, new TimeSlices(clock))
  const server = Bun.listen({ hostname, port: 0, socket: { data() {} } })
  expect(buffers.bound(server.port)).toBe(true)
  const connect = async () => {
    const socket = await Bun.connect({ hostname, port: server.port, socket: { data() {} } })
    return { address: hostname, port: socket.localPort }
  }
  return { clock, buffers, connect, [Symbol.dispose]: () => server.stop(true) }
}

/** Resolves when `port` has a buffer of so many bytes. */
async function becomes(port: number, bytes: number): Promise<void> {
  while (receiveBuffer(port) !== bytes) await new Promise(setImmediate)
}

for (const hostname of ['127.0.0.1', '::1']) {
  test(`little of each connection is kept, more of those that send much, at ${hostname}`, async () => {
    using world_ = await world(hostname)
    const { clock, buffers, connect } = world_
    const [quiet, busy, flooding] = [await connect(), await connect(), await connect()]
    for (const { port } of [quiet, busy, flooding]) await becomes(port, 16 * 1024)
    buffers.resize(busy, 'much')
    buffers.resize(flooding, 'much')
    await becomes(busy.port, 64 * 1024)
    buffers.resize(flooding, 'little')
    // Between two looks at all descriptors there is some time.
    while (receiveBuffer(flooding.port) !== 16 * 1024) {
      clock.advance(250)
      await new Promise(setImmediate)
    }
    expect(receiveBuffer(busy.port)).toBe(64 * 1024)
    expect(receiveBuffer(quiet.port)).toBe(16 * 1024)
  })
}

test('a connection that is gone is no trouble to others', async () => {
  using world_ = await world('127.0.0.1')
  const { clock, buffers, connect } = world_
  buffers.resize({ address: '127.0.0.1', port: 1 }, 'much')
  const { address, port } = await connect()
  buffers.resize({ address, port }, 'much')
  while (receiveBuffer(port) !== 64 * 1024) {
    clock.advance(250)
    await new Promise(setImmediate)
  }
})
