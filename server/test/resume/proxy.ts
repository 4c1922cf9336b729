import { connect, createServer, type Socket } from 'node:net'

/** Towards the server, or from it. */
export type Direction = 'up' | 'down'

/** Where a wire breaks: after exactly so many more bytes in one direction. */
export interface Break {
  readonly direction: Direction
  readonly after: number
  /** Both ends are closed, or reset; or nothing passes any more, and neither end is told. */
  readonly how: 'ends' | 'resets' | 'hangs'
}

/** A TCP connection that can be broken at any byte. */
export class Wire {
  /** False from the moment on in which it breaks. */
  isWhole = true
  #state: 'open' | 'hanging' | 'ended' = 'open'
  #plan: Break | undefined
  /** Bytes in the direction of the plan until it breaks. */
  #left = 0
  readonly #to: Partial<Record<Direction, Socket>> = {}
  /** What has come since it hangs; undefined: no more comes. */
  readonly #kept: [Direction, Buffer | undefined][] = []

  constructor(
    readonly url: string,
    /** Is told once that it has broken. */
    private readonly broken: () => void,
  ) {}

  get isHanging(): boolean {
    return this.#state === 'hanging'
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  /** Takes the place of an earlier plan. */
  breakAt(plan: Break | undefined): void {
    if (this.#state !== 'open') return
    this.#plan = plan
    this.#left = plan?.after ?? 0
    if (plan && plan.after === 0) this.#break(plan)
  }

  /** @param first what has come from the client already */
  join(client: Socket, server: Socket, first: Buffer): void {
    this.#to.up = server
    this.#to.down = client
    this.#read(client, 'up')
    this.#read(server, 'down')
    if (this.#state === 'ended') this.#close()
    else this.#pass('up', first)
  }

  /** Ends it; if it hangs, what has come since is passed on before, or is lost. */
  end(withKept: boolean): void {
    if (this.#state === 'ended') return
    if (this.#state === 'hanging' && withKept) {
      for (const [direction, chunk] of this.#kept)
        chunk ? this.#to[direction]?.write(chunk) : this.#to[direction]?.end()
    }
    this.#finish()
  }

  destroy(): void {
    this.#state = 'ended'
    for (const socket of Object.values(this.#to)) socket.destroy()
  }

  #read(socket: Socket, direction: Direction): void {
    socket.on('data', chunk => this.#pass(direction, chunk as Buffer))
    // After an error `close` comes.
    socket.on('error', () => {})
    socket.on('end', () => this.#noMore(direction))
    socket.on('close', () => this.#noMore(direction))
  }

  #pass(direction: Direction, chunk: Buffer): void {
    if (this.#state === 'ended') return
    if (this.#state === 'hanging') {
      this.#kept.push([direction, chunk])
      return
    }
    const plan = this.#plan
    if (plan?.direction !== direction || chunk.length < this.#left) {
      if (plan?.direction === direction) this.#left -= chunk.length
      this.#to[direction]?.write(chunk)
      return
    }
    const passed = this.#left
    if (passed > 0) this.#to[direction]?.write(chunk.subarray(0, passed))
    if (passed < chunk.length) this.#kept.push([direction, chunk.subarray(passed)])
    this.#break(plan)
  }

  #noMore(direction: Direction): void {
    if (this.#state === 'hanging') this.#kept.push([direction, undefined])
    else this.#to[direction]?.end()
  }

  #break({ how }: Break): void {
    this.#plan = undefined
    if (how === 'hangs') {
      this.#state = 'hanging'
      this.#tell()
      return
    }
    if (how === 'resets') for (const socket of Object.values(this.#to)) socket.resetAndDestroy()
    this.#finish()
  }

  #finish(): void {
    this.#state = 'ended'
    this.#tell()
    this.#close()
  }

  /** What was written is passed on before; what still comes is read and thrown away. */
  #close(): void {
    for (const socket of Object.values(this.#to)) socket.end()
  }

  #tell(): void {
    if (this.isWhole) this.broken()
    this.isWhole = false
  }
}

/** A TCP proxy, whose connections can be broken at any byte. @param ws the server that a connection of this number goes to */
export async function breakableProxy(ws: (number: number) => string) {
  const links: Wire[] = []
  const proxy = createServer({ allowHalfOpen: true }, client => {
    client.on('error', () => {})
    // Which one it is the path says, and all of the request comes at once.
    client.once('data', first => {
      const number = /^GET \/(\d+) /.exec(String(first))?.[1]
      const target = new URL(ws(Number(number)))
      const server = connect({ host: target.hostname, port: Number(target.port), allowHalfOpen: true })
      links[Number(number)]?.join(client, server, first as Buffer)
    })
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as { port: number }
  return {
    links: links as readonly Wire[],
    /** One that is to be used with its `url`. */
    wire(broken: () => void): Wire {
      const wire = new Wire(`ws://127.0.0.1:${port}/${links.length}`, broken)
      links.push(wire)
      return wire
    },
    close(): void {
      for (const wire of links) wire.destroy()
      proxy.close()
    },
  }
}
export type BreakableProxy = Awaited<ReturnType<typeof breakableProxy>>
