import { dlopen, FFIType, ptr } from 'bun:ffi'
import { existsSync, readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { readAddress } from '../address.ts'
import type { Clock } from '../clock.ts'
import type { TimeSlices } from '../time-slices.ts'

/** Linux: <asm-generic/socket.h>. */
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ACCEPTCONN = 30
/** Linux: <bits/socket.h>. */
const AF_INET = 2

/** Of `struct sockaddr_in6`, the longer of those that there are here. Both begin with the family and the port. */
const addressBytes = 28

/** Bytes that the kernel keeps of a connection; it takes twice as much. */
const bytesOf = {
  /** At first, and of one that floods. */
  little: 16 * 1024,
  /** Of a peer that sends much. With less, relayed messages of 2 KB would take longer. */
  much: 64 * 1024,
} as const
export type ReceiveBuffer = keyof typeof bytesOf

/** Units of work that it takes to look at a file descriptor. */
const unitsOfLook = 0.2
/** Milliseconds between two looks at all of them. */
const looksEvery = 250

/** One end of a TCP connection. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/**
 * What the kernel keeps of what clients have sent and the server has not read.
 *
 * The runtime reads all that there is of a socket, up to 5 MB, before it looks at the next one, and cannot be told to
 * stop. With the kernel's usual buffers, one client that sends as fast as it can holds up all others for 0.4 s in each
 * turn; with small ones TCP makes it wait instead. It needs Linux with the GNU C library (docs/decisions/0034).
 */
export class ReceiveBuffers {
  readonly #libc = openLibc()
  /** Bytes that the buffers of connections are to have, by the address of the other end. */
  readonly #wanted = new Map<string, number>()
  #isLooking = false

  constructor(
    private readonly clock: Clock,
    private readonly slices: TimeSlices,
  ) {}

  /**
   * Bounds those of all connections to the port. They take it over from the socket that accepts them, so this is to be called
   * before there are any.
   * @returns whether it could be done
   */
  bound(port: number, bytes: number = bytesOf.little): boolean {
    const libc = this.#libc
    if (!libc) return false
    const listening = readdirSync(descriptors)
      .map(Number)
      .filter(fd => libc.accepts(fd) && libc.localEnd(fd)?.port === port)
    return listening.length > 0 && listening.every(fd => libc.setReceiveBuffer(fd, bytes))
  }

  /** Changes that of the connection from `end`, soon. */
  resize(end: SocketAddress, size: ReceiveBuffer): void {
    if (!this.#libc) return
    this.#wanted.set(keyOf(end), bytesOf[size])
    if (this.#isLooking) return
    this.#isLooking = true
    void this.#look(this.#libc)
  }

  /** The runtime does not tell which descriptor a connection has, so all of them are looked at. Never rejects. */
  async #look(libc: Libc): Promise<void> {
    while (this.#wanted.size > 0) {
      const wanted = new Map(this.#wanted)
      this.#wanted.clear()
      const resize = (fd: number) => {
        const end = libc.remoteEnd(fd)
        const key = end && keyOf(end)
        const bytes = key && wanted.get(key)
        if (bytes) {
          libc.setReceiveBuffer(fd, bytes)
          wanted.delete(key)
        }
        return wanted.size === 0
      }
      // To read the list takes a descriptor, and there may be none left: then all stays as it is.
      const open = await readdir(descriptors).catch(() => [])
      await this.slices.each(open.map(Number), () => unitsOfLook, resize)
      await new Promise<void>(goOn => this.clock.after(looksEvery, goOn))
    }
    this.#isLooking = false
  }
}

const keyOf = ({ address, port }: SocketAddress): string => `${readAddress(address)} ${port}`

/** The open ones of this process. */
const descriptors = '/proc/self/fd'

type Libc = NonNullable<ReturnType<typeof openLibc>>

/** Undefined on other systems. */
function openLibc() {
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
    return {
      localEnd: (fd: number) => end(symbols.getsockname, fd),
      remoteEnd: (fd: number) => end(symbols.getpeername, fd),
      accepts(fd: number): boolean {
        length[0] = 4
        return symbols.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) === 0 && value[0] === 1
      },
      setReceiveBuffer(fd: number, bytes: number): boolean {
        value[0] = bytes
        return symbols.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, ptr(value), 4) === 0
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
