import { dlopen, FFIType, ptr } from 'bun:ffi'
import { readdirSync } from 'node:fs'

/** Linux: <asm-generic/socket.h>. */
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ACCEPTCONN = 30

/** Of `struct sockaddr_in` and `sockaddr_in6`, which both begin with the family and the port. */
const addressBytes = 28

/**
 * Has the kernel keep no more than about `bytes` of what a client of the port has sent and the server has not read.
 *
 * The runtime reads all that there is of a socket, up to 5 MB, before it looks at the next one, and cannot be told to
 * stop. With the kernel's usual buffers, one client that sends as fast as it can holds up all others for 0.4 s in each
 * turn; with a small one TCP makes it wait instead. Connections take this over from the socket that accepts them, so it
 * is to be called before there are any.
 *
 * @returns whether it could be done: it needs Linux with the GNU C library
 */
export function boundReceiveBuffers(port: number, bytes: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const { symbols, close } = dlopen('libc.so.6', {
      getsockname: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
      getsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
      setsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
    })
    const accepts = (fd: number): boolean => {
      const value = new Int32Array(1)
      const length = new Uint32Array([4])
      if (symbols.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) !== 0 || value[0] !== 1)
        return false
      const address = Buffer.alloc(addressBytes)
      return (
        symbols.getsockname(fd, ptr(address), ptr(new Uint32Array([addressBytes]))) === 0 &&
        address.readUInt16BE(2) === port
      )
    }
    const listening = readdirSync('/proc/self/fd').map(Number).filter(accepts)
    const isDone = listening.every(
      fd => symbols.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, ptr(new Int32Array([bytes])), 4) === 0,
    )
    close()
    return isDone && listening.length > 0
  } catch {
    return false
  }
}
