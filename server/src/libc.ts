import { dlopen, FFIType, ptr } from 'bun:ffi'
import { existsSync, readdirSync } from 'node:fs'

// What the runtime has no API for: options of its sockets.

/** Linux: <asm-generic/socket.h>. */
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ACCEPTCONN = 30
const SO_ATTACH_REUSEPORT_CBPF = 51
/** Linux: <bits/socket.h>. */
const AF_INET = 2
/** Linux: <linux/bpf_common.h>: ends a program with the number beside it. */
const BPF_RET_K = 0x06

/** Of `struct sockaddr_in6`, the longer of those that there are here. Both begin with the family and the port. */
const addressBytes = 28

/** One end of a TCP connection. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/** The open ones of this process. */
export const descriptors = '/proc/self/fd'

export type Libc = NonNullable<ReturnType<typeof openLibc>>

/** Undefined on other systems than Linux with the GNU C library. */
export function openLibc() {
  if (process.platform !== 'linux' || !existsSync(descriptors)) return undefined
  try {
    const name = { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 }
    const { symbols } = dlopen('libc.so.6', {
      getsockname: name,
      getpeername: name,
      getsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
      setsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
    })
    const address = Buffer.alloc(addressBytes)
    const value = new Int32Array(1)
    const length = new Uint32Array(1)
    const end = (ask: typeof symbols.getsockname, fd: number): SocketAddress | undefined => {
      length[0] = addressBytes
      return ask(fd, ptr(address), ptr(length)) === 0 ? readSocketAddress(address) : undefined
    }
    const accepts = (fd: number): boolean => {
      length[0] = 4
      return symbols.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) === 0 && value[0] === 1
    }
    return {
      remoteEnd: (fd: number) => end(symbols.getpeername, fd),
      /** The sockets that accept connections to the port. */
      listening: (port: number): number[] =>
        readdirSync(descriptors)
          .map(Number)
          .filter(fd => accepts(fd) && end(symbols.getsockname, fd)?.port === port),
      setReceiveBuffer(fd: number, bytes: number): boolean {
        value[0] = bytes
        return symbols.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, ptr(value), 4) === 0
      },
      /**
       * Of two sockets that share this one's port (SO_REUSEPORT), the second gets all new connections; one by itself has
       * them as ever. It holds for all that will ever share the port with it: see socket(7).
       */
      preferSecond(fd: number): boolean {
        // struct sock_filter { code, jt, jf, k }, and struct sock_fprog { length, filter }.
        const filter = Buffer.alloc(8)
        filter.writeUInt16LE(BPF_RET_K, 0)
        filter.writeUInt32LE(1, 4)
        const program = Buffer.alloc(16)
        program.writeUInt16LE(1, 0)
        program.writeBigUInt64LE(BigInt(ptr(filter)), 8)
        return symbols.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ptr(program), program.length) === 0
      },
    }
  } catch {
    return undefined
  }
}

function readSocketAddress(bytes: Buffer): SocketAddress {
  const port = bytes.readUInt16BE(2)
  if (bytes.readUInt16LE(0) === AF_INET) return { address: bytes.subarray(4, 8).join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16))
  return { address: groups.join(':'), port }
}
