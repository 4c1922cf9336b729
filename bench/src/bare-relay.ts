/**
 * The yardstick: the least that a WebSocket relay on Bun can do. Connections to /<pair>-a and /<pair>-b are partners;
 * every frame goes to the partner, unread. Of the connections to /room/<room>, every frame goes to all others of the
 * room. Prints its URL. The socket options are the gateway's.
 */
type Socket = Bun.ServerWebSocket<End>

interface End {
  readonly path: string
  partner: Socket | undefined
  /** Those who share the path, this one among them. */
  room: Set<Socket> | undefined
}

const byPath = new Map<string, Socket>()
const rooms = new Map<string, Set<Socket>>()

const partnerPath = (path: string): string => path.slice(0, -1) + (path.endsWith('a') ? 'b' : 'a')

function enterRoom(socket: Socket): void {
  const { path } = socket.data
  const room = rooms.get(path) ?? new Set()
  rooms.set(path, room.add(socket))
  socket.data.room = room
}

function findPartner(socket: Socket): void {
  byPath.set(socket.data.path, socket)
  const partner = byPath.get(partnerPath(socket.data.path))
  if (!partner) return
  socket.data.partner = partner
  partner.data.partner = socket
}

const server = Bun.serve<End>({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    const data: End = { path: new URL(request.url).pathname, partner: undefined, room: undefined }
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
      if (socket.data.path.startsWith('/room/')) enterRoom(socket)
      else findPartner(socket)
    },
    message(socket, frame) {
      const { partner, room } = socket.data
      partner?.sendText(frame as string)
      if (!room) return
      for (const other of room) if (other !== socket) other.sendText(frame as string)
    },
    close(socket) {
      byPath.delete(socket.data.path)
      socket.data.room?.delete(socket)
    },
  },
})

console.log(`WebSocket   ws://127.0.0.1:${server.port}`)
