import { afterAll, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { Window } from 'happy-dom'
import { act, createElement, StrictMode, useEffect } from 'react'
import type { createRoot as CreateRoot } from 'react-dom/client'
import { type ScriptedConnection, startScriptedServer } from '../test/scripted-server.ts'
import type { Connection } from './connection.ts'
import { type JoinOptions, Parley } from './index.ts'
import { type RoomHandlers, type UseRoomResult, useRoom } from './react.ts'

const identity = {
  username: 'me',
  refreshToken: undefined,
  token: async () => 'token',
  renew: async () => 'renewed token',
}

let createRoot: typeof CreateRoot
let window: Window

beforeAll(async () => {
  window = new Window()
  Object.assign(globalThis, { window, document: window.document })
  createRoot = (await import('react-dom/client')).createRoot
})
afterAll(async () => {
  for (const name of ['window', 'document']) Reflect.deleteProperty(globalThis, name)
  await window.happyDOM.close()
})

/** A component in StrictMode that is in a room, whose server is the test's. */
function prepare({ RTCPeerConnection }: { RTCPeerConnection?: typeof globalThis.RTCPeerConnection } = {}) {
  const server = startScriptedServer()
  const parley = new Parley('http://127.0.0.1:9', {
    wsUrl: server.wsUrl,
    identity,
    ...(RTCPeerConnection && { RTCPeerConnection }),
  })
  let view: UseRoomResult | undefined
  const waiting = new Set<() => void>()

  function Component({ options, handlers }: { options: JoinOptions | undefined; handlers?: RoomHandlers }) {
    const shown = useRoom(parley, options, handlers)
    useEffect(() => {
      view = shown
      for (const look of [...waiting]) look()
    })
    return null
  }

  const root = createRoot(document.createElement('div'))
  let isMounted = true
  const unmount = () => {
    if (!isMounted) return
    isMounted = false
    // React leaves nothing for later, when there is no document any more.
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
    act(() => root.unmount())
    Reflect.deleteProperty(globalThis, 'IS_REACT_ACT_ENVIRONMENT')
  }
  onTestFinished(unmount)
  return {
    server,
    unmount,
    render: (options: JoinOptions | undefined, handlers?: RoomHandlers) =>
      root.render(
        createElement(StrictMode, null, createElement(Component, { options, ...(handlers && { handlers }) })),
      ),
    /** What is shown, as soon as it is like that. */
    shown: (isWanted: (view: UseRoomResult) => boolean) =>
      new Promise<UseRoomResult>(resolve => {
        const look = () => {
          if (!view || !isWanted(view)) return
          waiting.delete(look)
          resolve(view)
        }
        waiting.add(look)
        look()
      }),
  }
}

const ada: JoinOptions = { roomId: 'room', token: 'secret', peerId: 'ada' }
const bob = { peer_id: 'bob', role: 'peer', metadata: {}, connected_at: 1 }
const isConnected = ({ state }: UseRoomResult) => state.status === 'connected'

const refuse = async (connection: ScriptedConnection, code: string) => {
  const { request_id } = await connection.next()
  connection.send({ type: 'error', code, reason: 'No.', message: 'No.', retryable: false, request_id })
}

test('the component is in the room once, shows who else is there, and leaves when it is gone', async () => {
  const { server, render, shown, unmount } = prepare()
  // Of two with one name the SDK itself would let in one.
  const session = { roomId: 'room', token: 'secret' }
  render(session)
  expect((await shown(() => true)).state).toEqual({ status: 'joining' })
  const connection = await server.accept()
  await connection.answerRegister({ roster: [bob] })
  const { peers, room, error } = await shown(isConnected)
  expect([peers.map(({ id }) => id), room?.id, error]).toEqual([['bob'], 'room', undefined])
  connection.send({ type: 'peer_joined', peer: { ...bob, peer_id: 'Al' } })
  await shown(({ peers }) => peers.map(({ id }) => id).join() === 'Al,bob')
  connection.send({ type: 'peer_left', peer_id: 'bob', reason: 'left' })
  await shown(({ peers }) => peers.length === 1)
  // An object of the same content is no change.
  render({ ...session, metadata: {} })
  unmount()
  await connection.closed
  // StrictMode has not had it enter twice.
  expect(server.arrived).toBe(1)
})

test('a component that is gone before it has entered leaves', async () => {
  const { server, render, unmount } = prepare()
  render(ada)
  const connection = await server.accept()
  unmount()
  await connection.answerRegister()
  await connection.closed
})

test('it goes to another room, or to none, when it is told of another or of none', async () => {
  const { server, render, shown } = prepare()
  render(undefined)
  expect((await shown(() => true)).state).toEqual({ status: 'idle' })
  render(ada)
  const first = await server.accept()
  await first.answerRegister({ roster: [bob] })
  await shown(isConnected)
  render({ ...ada, roomId: 'other' })
  await first.closed
  const second = await server.accept()
  expect(await second.answerRegister()).toMatchObject({ room_id: 'other' })
  expect((await shown(({ room }) => room?.id === 'other')).peers).toEqual([])
  render(undefined)
  await second.closed
  expect((await shown(({ state }) => state.status === 'idle')).room).toBeUndefined()
})

test('why it is not in the room is shown, and it can try again', async () => {
  const { server, render, shown } = prepare()
  render(ada)
  await refuse(await server.accept(), 'ROOM_NOT_FOUND')
  const { error, room, rejoin } = await shown(({ state }) => state.status === 'closed')
  expect([error?.code, room]).toEqual(['ROOM_NOT_FOUND', undefined])
  rejoin()
  await (await server.accept()).answerRegister()
  expect((await shown(isConnected)).error).toBeUndefined()
})

test('what comes of a connection is shown, errors too', async () => {
  const { server, render, shown } = prepare()
  const early = shown(({ connections }) => connections.size === 1)
  render(ada)
  const connection = await server.accept()
  const { connect } = await shown(() => true)
  connect('bob')
  expect((await early).connections.get('bob')).toMatchObject({ status: 'closed', error: { code: 'DISCONNECTED' } })
  await connection.answerRegister({ roster: [bob] })
  await shown(isConnected)
  connect('bob')
  const hasNoWebRtc = ({ connections }: UseRoomResult) => connections.get('bob')?.error?.code === 'UNSUPPORTED'
  expect((await shown(hasNoWebRtc)).connections.get('bob')?.status).toBe('closed')
  // Nothing is kept of one who is gone.
  connection.send({ type: 'peer_left', peer_id: 'bob', reason: 'left' })
  expect((await shown(({ peers }) => peers.length === 0)).connections.size).toBe(0)
})

test('the program hears of the room once, and what it has begun ends with it', async () => {
  const { server, render, shown, unmount } = prepare()
  const heard: string[] = []
  render(ada, {
    onRoom(room) {
      heard.push(`in ${room.id}`)
      return () => heard.push('out')
    },
  })
  await (await server.accept()).answerRegister()
  await shown(isConnected)
  render(ada)
  unmount()
  expect(heard).toEqual(['in room', 'out'])
})

test('the program hears of each connection once, from whichever side it was begun', async () => {
  const { nodeDataChannel } = await import('./node-datachannel.ts')
  const RTCPeerConnection = nodeDataChannel(await import('node-datachannel'), { bindAddress: '127.0.0.1' })
  const { server, render, shown } = prepare({ RTCPeerConnection })
  const heard: Connection[] = []
  render(ada, { onConnection: connection => heard.push(connection) })
  const connection = await server.accept()
  await connection.answerRegister({ roster: [bob] })
  const { connect, disconnect } = await shown(isConnected)
  connect('bob')
  connect('bob')
  await shown(({ connections }) => connections.get('bob')?.status === 'connecting')
  expect(heard.map(({ peerId }) => peerId)).toEqual(['bob'])
  disconnect('bob')
  await shown(({ connections }) => connections.get('bob')?.status === 'closed')
})
