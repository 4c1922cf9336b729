import { onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between clients and a server, and lets connections break, with a word or without, as networks do. */
export interface SilentProxy {
  /** Of the WebSocket, by way of the proxy. */
  readonly wsUrl: string
  /** From now on nothing passes on the connections that there are, not even their end. New ones work. */
  die(): void
  /** Breaks all connections that there are, as a network does that changes. New ones work. */
  cut(): void
}

/** Starts one, until the test has finished. */
export async function startSilentProxy(wsUrl: string): Promise<SilentProxy> {
  const { hostname: host, port } = new URL(wsUrl)
  const alive = new Set<Socket>()
  const all = new Set<Socket>()

  const pass = (from: Socket, to: Socket) => {
    from.on('data', data => alive.has(from) && to.write(data))
    const end = () => {
      if (alive.has(from)) to.destroy()
    }
    from.on('close', end)
    from.on('error', end)
  }
  const server = createServer(client => {
    const upstream = connect(Number(port), host)
    for (const socket of [client, upstream]) {
      alive.add(socket)
      all.add(socket)
    }
    pass(client, upstream)
    pass(upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of all) socket.destroy()
    server.close()
  })
  const cut = () => {
    for (const socket of all) socket.destroy()
    all.clear()
  }
  return { wsUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, die: () => alive.clear(), cut }
}
