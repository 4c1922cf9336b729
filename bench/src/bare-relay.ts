/**
 * The yardstick: the least that a WebSocket relay on Bun can do. Connections to /<pair>/a and /<pair>/b are partners;
 * every frame goes to the partner, unread. Prints its URL. The socket options are the gateway's.
 */
const byPath = new Map<string, Bun.ServerWebSocket<End>>()

interface End {
  readonly path: string
  partner: Bun.ServerWebSocket<End> | undefined
}

const partnerPath = (path: string): string => path.slice(0, -1) + (path.endsWith('a') ? 'b' : 'a')

const server = Bun.serve<End>({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    const data: End = { path: new URL(request.url).pathname, partner: undefined }
    return server.upgrade(request, { data }) ? undefined : new Response('WebSocket only', { status: 426 })
  },
  websocket: {
    maxPayloadLength: 1_048_576,
    backpressureLimit: 4_194_304,
    closeOnBackpressureLimit: false,
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    open(socket) {
      byPath.set(socket.data.path, socket)
      const partner = byPath.get(partnerPath(socket.data.path))
      if (!partner) return
      socket.data.partner = partner
      partner.data.partner = socket
    },
    message(socket, frame) {
      socket.data.partner?.sendText(frame as string)
    },
    close(socket) {
      byPath.delete(socket.data.path)
    },
  },
})

console.log(`WebSocket   ws://127.0.0.1:${server.port}`)
