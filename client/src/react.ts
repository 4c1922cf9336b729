'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import type { Connection } from './connection.ts'
import type { ConnectionStatus } from './connection-types.ts'
import { ParleyError } from './errors.ts'
import type { ConnectionState } from './messages.ts'
import type { Parley } from './parley.ts'
import type { Peer } from './peers.ts'
import type { Room } from './room.ts'
import type { JoinOptions } from './room-types.ts'

/** How it stands with a peer that this one is connected to, or was, or tried to be. */
export interface ConnectionView {
  /** `closed` also if the attempt has failed. */
  readonly status: ConnectionStatus
  /** Why it is closed, or a change of it failed; undefined if nothing went wrong. */
  readonly error: ParleyError | undefined
}

/** A room as a component shows it. Another object for each change. */
export interface RoomView {
  /** How the connection to the server is. `idle`: there are no options. `joining`: not in the room yet. */
  readonly state: ConnectionState | { readonly status: 'idle' | 'joining' }
  /** Why this peer is not in the room, or has no connection to the server; undefined if all is well. */
  readonly error: ParleyError | undefined
  /** For all that is not here, as files; undefined before this peer is in the room. */
  readonly room: Room | undefined
  /** The others, by id in order. */
  readonly peers: readonly Peer[]
  /** By peer id: those that the other side has begun, and those of `connect`. */
  readonly connections: ReadonlyMap<string, ConnectionView>
}

/** What `useRoom` returns. */
export interface UseRoomResult extends RoomView {
  /** Connects to a peer. What comes of it is in `connections`; for a promise, call that of `room` afterwards. */
  connect(peerId: string): void
  /** Ends the connection to a peer, if there is one. */
  disconnect(peerId: string): void
  /** Enters the room again after it was closed, as when the server could not be reached. */
  rejoin(): void
}

/** What else `useRoom` may be told. Those of the last rendering count. */
export interface RoomHandlers {
  /** Called once for each room that was entered, before anything happens in it. What it returns is called when it is left. */
  readonly onRoom?: (room: Room) => (() => void) | undefined
  /** Called once for each connection, before anything arrives on it: listen to its channels and tracks here. */
  readonly onConnection?: (connection: Connection) => void
}

type Show = (change: (view: RoomView) => Partial<RoomView>) => void

const nobody: Omit<RoomView, 'state'> = { error: undefined, room: undefined, peers: [], connections: new Map() }
const joining: RoomView = { ...nobody, state: { status: 'joining' } }
const idle: RoomView = { ...nobody, state: { status: 'idle' } }

/**
 * Is in a room for as long as the component is there, and shows it as it is; in StrictMode, too. It rejects and throws
 * nothing: errors are in what it returns.
 * @param parley who this is; made once, outside of all components
 * @param options of `Parley.join`. It enters again when `roomId`, `token`, `peerId` or `role` change; the others count when it
 * enters, and are changed with `room`. Without options it is in no room.
 */
export function useRoom(parley: Parley, options: JoinOptions | undefined, handlers: RoomHandlers = {}): UseRoomResult {
  const [view, setView] = useState(joining)
  const [attempt, setAttempt] = useState(0)
  const entered = useRef<Entered>(undefined)
  const latest = useRef({ options, handlers })
  useEffect(() => {
    latest.current = { options, handlers }
  })

  const { roomId, token, peerId, role } = options ?? {}
  useEffect(() => {
    let isOver = false
    const show: Show = change => {
      if (!isOver) setView(view => ({ ...view, ...change(view) }))
    }
    const join = async () => {
      // StrictMode runs each effect twice, and the first time is over by then.
      await undefined
      const { options } = latest.current
      if (isOver || !options) return
      const room = await parley.join(options).catch(error => show(() => closedBy(error)))
      if (isOver) room?.leave()
      else if (room) entered.current = enter(room, show, () => latest.current.handlers)
    }
    void join()
    return () => {
      isOver = true
      entered.current?.leave()
      entered.current = undefined
      setView(joining)
    }
  }, [parley, roomId, token, peerId, role, attempt])

  return {
    ...(options ? view : idle),
    connect: useCallback((peer: string) => {
      if (entered.current) entered.current.connect(peer)
      else setView(view => ({ ...view, connections: new Map(view.connections).set(peer, tooEarly) }))
    }, []),
    disconnect: useCallback((peer: string) => entered.current?.room.connection(peer)?.close(), []),
    rejoin: useCallback(() => setAttempt(attempt => attempt + 1), []),
  }
}

function closedBy(cause: unknown): Pick<RoomView, 'state' | 'error'> {
  const error = cause instanceof ParleyError ? cause : new ParleyError('DISCONNECTED', String(cause), { cause })
  return { state: { status: 'closed', error }, error }
}

const tooEarly: ConnectionView = {
  status: 'closed',
  error: new ParleyError('DISCONNECTED', 'This peer is not in the room yet.', { retryable: true }),
}

interface Entered {
  readonly room: Room
  connect(peerId: string): void
  leave(): void
}

/** Shows a room until it is left. Connections are listened to from their first moment on, which an effect would miss. */
function enter(room: Room, show: Show, handlers: () => RoomHandlers): Entered {
  const watched = new WeakSet<Connection>()

  const showConnection = (peerId: string, shown: ConnectionView) =>
    show(({ connections }) => ({ connections: new Map(connections).set(peerId, shown) }))

  const watch = (connection: Connection) => {
    if (watched.has(connection)) return
    watched.add(connection)
    const { peerId } = connection
    connection.on('status', status => {
      showConnection(peerId, { status, error: connection.error })
      if (status === 'closed') refresh()
    })
    connection.on('negotiationFailed', error => showConnection(peerId, { status: connection.status, error }))
    showConnection(peerId, { status: connection.status, error: connection.error })
    handlers().onConnection?.(connection)
  }

  const refresh = () => {
    const { state, peers } = room
    const isShown = ([peerId, { status }]: [string, ConnectionView]) => status !== 'closed' || peers.has(peerId)
    show(({ connections }) => ({
      state,
      error: 'error' in state ? state.error : undefined,
      peers: [...peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      connections: new Map([...connections].filter(isShown)),
    }))
  }

  /** A handler that throws is a fault of the program, which the console tells; nobody stays in the room then. */
  const begin = () => {
    try {
      return handlers().onRoom?.(room)
    } catch (error) {
      room.leave()
      throw error
    }
  }

  for (const event of ['state', 'peerJoined', 'peerLeft', 'peerUpdated'] as const) room.on(event, refresh)
  room.on('connection', watch)
  show(() => ({ room }))
  refresh()
  const cleanUp = begin()

  return {
    room,
    connect(peerId) {
      const connecting = room.connect(peerId)
      // It is there from the first moment on, if there can be one at all.
      const connection = room.connection(peerId)
      if (connection) watch(connection)
      connecting.then(watch, error => showConnection(peerId, { status: 'closed', error }))
    },
    leave() {
      cleanUp?.()
      room.leave()
    },
  }
}
