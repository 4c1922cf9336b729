import { connect, createServer, type Socket } from 'node:net'

/** The way from one node to another, which can be broken. */
export interface Cable {
  /** Where the other node is reached over it. */
  readonly address: string
  /** Connections that have gone over it. */
  readonly used: number
  /** Ends what goes over it now, without a word. What comes next goes over it again. */
  cut(): void
  /** Nothing passes any more, of what is open and what is opened, and nobody is told; until `mend`. */
  hang(): void
  /** Whether what is opened from now on is refused. */
  refuses: boolean
  mend(): void
  close(): void
}

/** Lays a cable to what listens on that port of this machine. */
export async function layCable(target: number): Promise<Cable> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let hangs = false
  const join = (pair: readonly [Socket, Socket]) => {
    const [near, far] = pair
    near.pipe(far)
    far.pipe(near)
  }
  const server = createServer(near => {
    if (cable.refuses) {
      near.resetAndDestroy()
      return
    }
    cable.used++
    const far = connect(target, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of pair) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    if (!hangs) join(pair)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const cable = {
    address: `127.0.0.1:${port}`,
    used: 0,
    refuses: false,
    cut() {
      for (const [near, far] of [...pairs]) {
        near.resetAndDestroy()
        far.resetAndDestroy()
      }
    },
    hang() {
      hangs = true
      for (const [near, far] of pairs) {
        near.unpipe(far).pause()
        far.unpipe(near).pause()
      }
    },
    mend() {
      cable.refuses = false
      if (!hangs) return
      hangs = false
      for (const pair of pairs) join(pair)
    },
    close() {
      cable.cut()
      server.close()
    },
  }
  return cable
}
