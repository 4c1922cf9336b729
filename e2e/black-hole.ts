import { onTestFinished } from 'bun:test'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** A way to a server that can fall silent without an end, as when a laptop is shut or a phone leaves its Wi-Fi. */
export interface BlackHole {
  readonly wsUrl: string
  /** From now on nothing gets through in either direction, and nobody is told. */
  swallow(): void
  /** Resolves when something that the server sends has been swallowed. */
  swallowed(): Promise<void>
}

/** Opens one to the server at `wsUrl`, until the test has finished. */
export async function openBlackHole(wsUrl: string): Promise<BlackHole> {
  const { hostname, port } = new URL(wsUrl)
  const sockets = new Set<Socket>()
  let isSilent = false
  const first = Promise.withResolvers<void>()

  const pass = (from: Socket, to: Socket, isServer: boolean) => {
    sockets.add(from)
    from.on('data', bytes => {
      if (!isSilent) to.write(bytes)
      else if (isServer) first.resolve()
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      if (!isSilent) to.destroy()
    })
  }
  const listener = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    pass(near, far, false)
    pass(far, near, true)
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return {
    wsUrl: `ws://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    swallow() {
      isSilent = true
    },
    swallowed: () => first.promise,
  }
}
