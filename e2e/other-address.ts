import { onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'

/**
 * A port whose connections go on to `port` from another address than those of this machine usually come from, as a
 * client's do that is not beside its proxy. It is there until the end of the test.
 * @param ca they go on with TLS, to a `localhost` whose certificate is from this authority
 */
export async function fromOtherAddress(port: number, ca?: string): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const tcp = createConnection({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
    const far = ca === undefined ? tcp : connect({ socket: tcp, servername: 'localhost', ca })
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      // TLS that was cut off closes without an end.
      socket.on('close', () => other.destroySoon())
      socket.pipe(other)
    }
  })
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
