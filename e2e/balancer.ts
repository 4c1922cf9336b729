import { onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Gives connections to these servers in turn, as a load balancer does. Ends with the test. @returns its port */
export async function startBalancer(ports: readonly number[]): Promise<number> {
  const all = new Set<Socket>()
  let next = 0
  const server = createServer(client => {
    const upstream = connect(ports[next++ % ports.length] ?? 0, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      all.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        all.delete(from)
        // What it has sent before is passed on.
        to.end()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of all) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
