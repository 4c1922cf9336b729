import { describe, expect, test } from 'bun:test'
import type { Register } from '@parley/protocol'
import { inWorld, peerOf, RecordingSession, type World, worldLimits } from '../../test/world.ts'
import { presenceWindow } from './presence.ts'

const presence: Partial<Register> = { features: ['presence'] }
const big = {
  limits: { ...worldLimits, peersPerRoom: 1000, peersPerIdentity: 1000, roomMetadataBytes: 1e6 },
}

/** A room that anybody enters with `enter`, as a peer with presence unless `members` say otherwise. */
async function openRoom({ rooms, signIn, create, register }: World, ttl = 7200) {
  const idToken = await signIn()
  const room = await create(idToken, { ttl })
  const enter = async (id: string, members: Partial<Register> = {}, session = new RecordingSession()) => {
    await rooms.join(register(room, id, idToken, { ...presence, ...members }), session)
    return session
  }
  return { room, idToken, enter }
}

const ids = (peers: unknown) => (peers as { peer_id: string }[]).map(peer => peer.peer_id)

/** What a reader of `session` knows of the others, by its snapshot and all that it heard since. Fails at a gap or a double. */
function pictureOf(session: RecordingSession): Map<string, unknown> {
  const known = new Map<string, unknown>()
  const join = (peer: { peer_id: string; metadata: unknown }) => {
    expect(known.has(peer.peer_id)).toBe(false)
    known.set(peer.peer_id, peer.metadata)
  }
  const leave = ({ peer_id }: { peer_id: string }) => expect(known.delete(peer_id)).toBe(true)
  const update = (peer: { peer_id: string; metadata: unknown }) => {
    expect(known.has(peer.peer_id)).toBe(true)
    known.set(peer.peer_id, peer.metadata)
  }
  for (const peer of session.replies.at(-1)?.roster ?? []) join(peer)
  for (const text of session.texts) {
    const message = JSON.parse(text)
    if (message.type === 'peer_joined') join(message.peer)
    if (message.type === 'peer_left') leave(message)
    if (message.type === 'peer_updated') update(message.peer)
    if (message.type !== 'peers_changed') continue
    message.left.forEach(leave)
    message.joined.forEach(join)
    message.updated.forEach(update)
  }
  return known
}

describe('presence', () => {
  test('tells who joins, changes and leaves, and why, to those alone that asked for it', () =>
    inWorld(async world => {
      const { rooms, register } = world
      const { room, idToken, enter } = await openRoom(world)
      const watcher = await enter('watcher')
      const plain = await enter('plain', { features: [] })
      const peer = { peer_id: 'plain', role: 'peer', metadata: {}, connected_at: world.clock.now() / 1000 }
      expect(watcher.heard()).toEqual([{ type: 'peer_joined', peer }])
      rooms.handle(
        peerOf(plain),
        { type: 'update_metadata', peer_id: undefined, metadata: { a: 1 }, request_id: undefined },
        '',
      )
      expect(watcher.heard()).toEqual([{ type: 'peer_updated', peer: { ...peer, metadata: { a: 1 } } }])
      await rooms.join(register(room, 'plain', idToken), new RecordingSession())
      expect(watcher.heard()).toEqual([
        { type: 'peer_left', peer_id: 'plain', reason: 'replaced' },
        { type: 'peer_joined', peer },
      ])
      expect(plain.heard()).toEqual([])
      await rooms.cleanUp.deletePeer('plain', { identity: undefined, token: room.token, address: undefined })
      expect(watcher.heard()).toEqual([{ type: 'peer_left', peer_id: 'plain', reason: 'removed' }])
      rooms.leave(peerOf(await enter('again')), 'disconnected')
      expect(watcher.heard().at(-1)).toEqual({ type: 'peer_left', peer_id: 'again', reason: 'disconnected' })
    }))

  test('begins with a snapshot that the events after it fit to', () =>
    inWorld(async world => {
      const { enter } = await openRoom(world)
      const first = await enter('first', { metadata: { gpu: 1 }, role: 'worker' })
      const second = await enter('second')
      expect(second.replies[0]?.roster).toEqual([
        { peer_id: 'first', role: 'worker', metadata: { gpu: 1 }, connected_at: world.clock.now() / 1000 },
      ])
      expect(second.heard()).toEqual([])
      expect(first.heard()).toMatchObject([{ type: 'peer_joined', peer: { peer_id: 'second' } }])
      const plain = await enter('plain', { features: [] })
      expect(plain.replies[0]).not.toHaveProperty('roster')
    }))

  test('respects channels: those that come into sight join, those that get out of it leave', () =>
    inWorld(async world => {
      const { rooms } = world
      const { enter } = await openRoom(world)
      const a = await enter('a')
      const b = await enter('b', { channels: ['x'] })
      const c = await enter('c', { channels: ['x', 'y'] })
      expect(a.heard()).toEqual([])
      expect(b.heard()).toMatchObject([{ type: 'peer_joined', peer: { peer_id: 'c' } }])
      const move = (session: RecordingSession, type: 'join_channel' | 'leave_channel', channel: string) =>
        rooms.handle(peerOf(session), { type, channel, request_id: undefined }, '')
      move(a, 'join_channel', 'x')
      expect(a.heard()).toMatchObject([
        { type: 'peer_joined', peer: { peer_id: 'b' } },
        { type: 'peer_joined', peer: { peer_id: 'c' } },
      ])
      for (const session of [b, c])
        expect(session.heard()).toMatchObject([{ type: 'peer_joined', peer: { peer_id: 'a' } }])
      move(c, 'leave_channel', 'x')
      for (const session of [a, b])
        expect(session.heard()).toEqual([{ type: 'peer_left', peer_id: 'c', reason: 'left' }])
      expect(ids(c.heard())).toEqual(['a', 'b'])
      move(b, 'join_channel', 'y')
      expect(a.heard()).toEqual([])
      expect(c.heard()).toMatchObject([{ type: 'peer_joined', peer: { peer_id: 'b' } }])
    }, big))

  test('of 500 that join at once tells each in a few messages, and leaves out nobody', () =>
    inWorld(async world => {
      const { enter } = await openRoom(world)
      const watcher = await enter('watcher')
      const links = await Promise.all(Array.from({ length: 500 }, (_, n) => enter(`peer-${n}`)))
      world.clock.advance(presenceWindow.ms)
      const frames = [watcher, ...links].reduce((sum, session) => sum + session.texts.length, 0)
      expect(frames).toBeLessThan(500 * 4)
      for (const session of [watcher, ...links]) expect(pictureOf(session).size).toBe(500)
      expect(watcher.texts.some(text => text.includes('"peers_changed"'))).toBe(true)
    }, big))

  test('gathers as long as the room is restless, then tells one by one again', () =>
    inWorld(async world => {
      const { enter } = await openRoom(world)
      const watchers = await Promise.all(Array.from({ length: 20 }, (_, n) => enter(`watcher-${n}`)))
      world.clock.advance(2 * presenceWindow.ms)
      for (const watcher of watchers) watcher.heard()
      for (let n = 0; n < 40; n++) await enter(`early-${n}`, { features: [] })
      const typesOf = (session: RecordingSession | undefined) => session?.heard().map(({ type }) => type)
      expect(typesOf(watchers[0])).toEqual(Array(10).fill('peer_joined'))
      world.clock.advance(presenceWindow.ms)
      const [summary] = watchers[0]?.heard() ?? []
      expect(ids(summary?.joined)).toEqual(Array.from({ length: 30 }, (_, n) => `early-${n + 10}`))
      world.clock.advance(presenceWindow.ms)
      await enter('late', { features: [] })
      expect(typesOf(watchers[0])).toEqual(['peer_joined'])
    }, big))

  test('gathered events add up: what came and went is not told, what changed is told as it is now', () =>
    inWorld(async world => {
      const { rooms } = world
      const { enter } = await openRoom(world)
      const watchers = await Promise.all(
        Array.from({ length: presenceWindow.messages }, (_, n) => enter(`watcher-${n}`)),
      )
      const stays = await enter('stays', { features: [] })
      const goes = await enter('goes', { features: [] })
      world.clock.advance(3 * presenceWindow.ms)
      await enter('fills the window', { features: [] })
      const change = (session: RecordingSession, metadata: object) =>
        rooms.handle(
          peerOf(session),
          { type: 'update_metadata', peer_id: undefined, metadata: { ...metadata }, request_id: undefined },
          '',
        )
      change(stays, { a: 1 })
      change(stays, { b: 2 })
      change(goes, { a: 1 })
      rooms.leave(peerOf(goes), 'left')
      rooms.leave(peerOf(await enter('comes and goes', { features: [] })), 'left')
      change(await enter('comes', { features: [] }), { c: 3 })
      await enter('watcher-1')
      const [watcher] = watchers
      watcher?.heard()
      world.clock.advance(presenceWindow.ms)
      expect(watcher?.heard()).toMatchObject([
        {
          type: 'peers_changed',
          left: [
            { peer_id: 'goes', reason: 'left' },
            { peer_id: 'watcher-1', reason: 'replaced' },
          ],
          joined: [{ peer_id: 'comes', metadata: { c: 3 } }, { peer_id: 'watcher-1' }],
          updated: [{ peer_id: 'stays', metadata: { a: 1, b: 2 } }],
        },
      ])
    }, big))

  test('20,000 updates of one peer in one window are told once, as it is then, also to those that moved meanwhile', () =>
    inWorld(async world => {
      const { rooms } = world
      const { enter } = await openRoom(world)
      const watchers = await Promise.all(Array.from({ length: 300 }, (_, n) => enter(`watcher-${n}`)))
      const restless = await enter('restless', { features: [] })
      world.clock.advance(3 * presenceWindow.ms)
      for (const watcher of watchers) watcher.heard()
      const update = (n: number) => {
        const message = { type: 'update_metadata', peer_id: undefined, metadata: { n }, request_id: undefined } as const
        rooms.handle(peerOf(restless), message, '')
      }
      for (let n = 0; n < 20_000; n++) update(n)
      const [moved, ...others] = watchers
      const to = { type: 'join_channel', channel: 'elsewhere', request_id: undefined } as const
      rooms.handle(peerOf(moved as RecordingSession), to, '')
      update(20_000)
      world.clock.advance(presenceWindow.ms)
      const known = { metadata: { n: 20_000 }, peer_id: 'restless' }
      for (const watcher of others) {
        const heard = watcher.heard()
        expect(heard.length).toBeLessThanOrEqual(2)
        expect(heard.at(-1)).toMatchObject({
          type: 'peers_changed',
          left: [{ peer_id: 'watcher-0' }],
          updated: [known],
        })
      }
      // It saw the others until it moved, and nobody since.
      const [first, second] = moved?.heard() ?? []
      expect(first).toMatchObject({ updated: [{ metadata: { n: 19_999 } }] })
      expect(second?.left).toHaveLength(300)
    }, big))

  test('ends the connection of one that does not read, since it would keep a wrong picture', () =>
    inWorld(async world => {
      const { enter } = await openRoom(world)
      const deaf = await enter('deaf')
      const watcher = await enter('watcher')
      deaf.reads = false
      await enter('c')
      expect(deaf.closed).toEqual(['SLOW_CONSUMER'])
      expect(watcher.closed).toEqual([])
    }))
})

describe('the end of a room', () => {
  test('is announced five minutes and one minute before, and comes with room_closed', () =>
    inWorld(async world => {
      const { room, enter } = await openRoom(world, 600)
      const watcher = await enter('watcher')
      const other = await enter('other')
      const plain = await enter('plain', { features: [] })
      watcher.heard()
      const expiring = { type: 'room_expiring', expires_at: room.expires_at }
      for (const [advance, heard] of [
        [299_999, []],
        [1, [expiring]],
        [239_999, []],
        [1, [expiring]],
        [59_999, []],
      ] as const) {
        world.clock.advance(advance)
        expect(watcher.heard()).toEqual([...heard])
      }
      world.clock.advance(1)
      expect(watcher.heard()).toEqual([
        { type: 'peer_left', peer_id: 'other', reason: 'room_closed' },
        { type: 'room_closed', reason: 'expired' },
      ])
      expect(other.released).toEqual(['ROOM_EXPIRED'])
      expect([plain.heard(), plain.released]).toEqual([[], []])
    }))

  test('is told with room_closed alone where there are many, before they are let go', () =>
    inWorld(async world => {
      const { rooms } = world
      const { room, enter } = await openRoom(world)
      const watchers = await Promise.all(Array.from({ length: 20 }, (_, n) => enter(`watcher-${n}`)))
      world.clock.advance(2 * presenceWindow.ms)
      for (const watcher of watchers) watcher.heard()
      await rooms.cleanUp.delete(
        { roomId: room.room_id },
        { identity: undefined, token: room.token, address: undefined },
      )
      for (const watcher of watchers) {
        expect(watcher.heard()).toEqual([{ type: 'room_closed', reason: 'deleted' }])
        expect(watcher.released).toEqual(['ROOM_DELETED'])
      }
    }, big))

  test('that is moved is announced anew', () =>
    inWorld(async world => {
      const { rooms, subjectOf } = world
      const { room, idToken, enter } = await openRoom(world, 600)
      const owner = await subjectOf(idToken)
      const watcher = await enter('watcher')
      world.clock.advance(300_000)
      expect(watcher.heard()).toHaveLength(1)
      const { expires_at } = await rooms.owner.change(owner, room.room_id, { ttl: 900 })
      world.clock.advance(599_999)
      expect(watcher.heard()).toEqual([])
      world.clock.advance(1)
      expect(watcher.heard()).toEqual([{ type: 'room_expiring', expires_at }])
      world.clock.advance(300_000)
      expect(watcher.released).toEqual(['ROOM_EXPIRED'])
    }))
})
