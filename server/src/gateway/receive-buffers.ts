import { readdir } from 'node:fs/promises'
import { readAddress } from '../address.ts'
import type { Clock } from '../clock.ts'
import { descriptors, type Libc, openLibc, type SocketAddress } from '../libc.ts'
import type { TimeSlices } from '../time-slices.ts'

export type { SocketAddress } from '../libc.ts'

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
    const listening = libc.listening(port)
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
