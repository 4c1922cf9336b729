import { once } from 'node:events'
import { createConnection } from 'node:net'
import { connect } from 'node:tls'

// A worker with clients whose connections the kernel has while the server, on the main thread, does something else.

declare const self: Worker

export interface ClientsWanted {
  readonly port: number
  readonly count: number
  readonly ca: string
  /** Set to 1 when all connections are there, of which the server may know nothing yet. */
  readonly connected: Int32Array
}

/** Of each client the certificate that it was served, in DER, base64, and the answer to a request; or what went wrong. */
export type ClientsServed = readonly string[]

self.onmessage = async ({ data }: MessageEvent<ClientsWanted>) => {
  const { port, count, ca, connected } = data
  const sockets = Array.from({ length: count }, () => createConnection({ host: '127.0.0.1', port }))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  Atomics.store(connected, 0, 1)
  Atomics.notify(connected, 0)
  const served: ClientsServed = await Promise.all(
    sockets.map(async socket => {
      try {
        const tls = connect({ socket, servername: 'localhost', ca })
        await once(tls, 'secureConnect')
        const { raw } = tls.getPeerCertificate()
        tls.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        const [chunk] = await once(tls, 'data')
        tls.destroy()
        return `${raw.toString('base64')} ${String(chunk).split('\r\n')[0]}`
      } catch (error) {
        return String(error)
      }
    }),
  )
  self.postMessage(served)
}
