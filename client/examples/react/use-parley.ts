import type { Connection, ConnectionState, ConnectionStatus, Parley, Peer, Room } from '@parley/client'
import { ParleyError } from '@parley/client'
import { useCallback, useEffect, useRef, useState } from 'react'

/** What it takes to enter a room. */
export interface Session {
  readonly roomId: string
  readonly token: string
  /** Default: a random one. */
  readonly peerId?: string
}

export interface Line {
  /** Names it, for React. */
  readonly key: number
  readonly peerId: string
  readonly text: string
  readonly isMine: boolean
}

/** A room as a component shows it. Another object for each change, as React wants it. */
export interface ParleyView {
  /** `joining`: not in the room yet. */
  readonly state: ConnectionState | { readonly status: 'joining' }
  readonly peers: readonly Peer[]
  /** How it stands with those that this peer is or was about to be connected to, by peer id. */
  readonly connections: ReadonlyMap<string, ConnectionStatus>
  readonly lines: readonly Line[]
}

export interface UseParley extends ParleyView {
  /** For all that is not here, as files; undefined before this peer is in it. */
  readonly room: Room | undefined
  /** @throws ParleyError */
  connect(peerId: string): Promise<void>
  disconnect(peerId: string): void
  /** Says something to a peer, connecting to it if need be. @throws ParleyError */
  say(peerId: string, text: string): Promise<void>
}

const nothing: ParleyView = { state: { status: 'joining' }, peers: [], connections: new Map(), lines: [] }

/**
 * Is in a room for as long as the component is there, and shows it as it is.
 * @param parley who this is; made once, outside of all components, so that it is the same one in each room and each time
 */
export function useParley(parley: Parley, { roomId, token, peerId }: Session): UseParley {
  const [view, setView] = useState(nothing)
  const [entered, setEntered] = useState<Entered>()
  /** Ends when the room before has been left: a name can be had once only. */
  const before = useRef<Promise<unknown>>(Promise.resolve())

  useEffect(() => {
    // React's StrictMode runs each effect twice, and joining takes time: when it is over, the component may be gone.
    let isOver = false
    let leave = () => {}
    const show = (change: (view: ParleyView) => ParleyView) => {
      if (!isOver) setView(change)
    }
    const join = async () => {
      if (isOver) return
      const room = await parley.join({ roomId, token, ...(peerId !== undefined && { peerId }) })
      leave = () => room.leave()
      if (isOver) leave()
      else setEntered(enter(room, show))
    }
    before.current = before.current.then(join).catch(error => {
      const reason = error instanceof ParleyError ? error : new ParleyError('DISCONNECTED', String(error))
      show(view => ({ ...view, state: { status: 'closed', error: reason } }))
    })
    return () => {
      isOver = true
      leave()
      setEntered(undefined)
      setView(nothing)
    }
  }, [parley, roomId, token, peerId])

  const connect = useCallback(async (peer: string) => (await there(entered)).connect(peer), [entered])
  const say = useCallback(async (peer: string, text: string) => (await there(entered)).say(peer, text), [entered])
  const disconnect = useCallback((peer: string) => entered?.room.connection(peer)?.close(), [entered])
  return { ...view, room: entered?.room, connect, disconnect, say }
}

async function there(entered: Entered | undefined): Promise<Entered> {
  if (!entered) throw new ParleyError('DISCONNECTED', 'This peer is not in the room yet.', { retryable: true })
  return entered
}

interface Entered {
  readonly room: Room
  connect(peerId: string): Promise<void>
  say(peerId: string, text: string): Promise<void>
}

/**
 * Listens to a room, once and for as long as it lasts: not in an effect of a component for each connection, as what has
 * arrived on a channel before somebody listens is handed out once.
 */
function enter(room: Room, show: (change: (view: ParleyView) => ParleyView) => void): Entered {
  const chats = new WeakMap<Connection, Promise<RTCDataChannel>>()
  const watched = new WeakSet<Connection>()
  let lines = 0

  const refresh = () =>
    show(view => ({
      ...view,
      state: room.state,
      peers: [...room.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    }))

  const add = (line: Omit<Line, 'key'>) => {
    const key = lines++
    show(view => ({ ...view, lines: [...view.lines, { ...line, key }] }))
  }

  const watch = (connection: Connection) => {
    if (watched.has(connection)) return
    watched.add(connection)
    const { peerId } = connection
    const tell = (status: ConnectionStatus) =>
      show(view => ({ ...view, connections: new Map(view.connections).set(peerId, status) }))
    connection.on('status', tell)
    connection.on('channel', channel => {
      if (channel.label === 'chat') listen(connection, channel)
    })
    tell(connection.status)
  }

  const listen = (connection: Connection, channel: RTCDataChannel) => {
    chats.set(connection, Promise.resolve(channel))
    channel.addEventListener('message', ({ data }) => {
      if (typeof data === 'string') add({ peerId: connection.peerId, text: data, isMine: false })
    })
    return channel
  }

  const connect = async (peerId: string): Promise<Connection> => {
    const connecting = room.connect(peerId)
    // There is a connection from the first moment on, if there can be one at all, so that its progress can be shown.
    const connection = room.connection(peerId)
    if (connection) watch(connection)
    return connecting
  }

  room.on('state', refresh)
  room.on('peerJoined', refresh)
  room.on('peerLeft', refresh)
  room.on('peerUpdated', refresh)
  room.on('connection', watch)
  refresh()

  return {
    room,
    async connect(peerId) {
      await connect(peerId)
    },
    async say(peerId, text) {
      const connection = await connect(peerId)
      const open = () => connection.open('chat').then(channel => listen(connection, channel))
      const chat = chats.get(connection) ?? open()
      // Two texts in a row shall not open two channels.
      chats.set(connection, chat)
      const channel = await chat
      channel.send(text)
      add({ peerId, text, isMine: true })
    },
  }
}
