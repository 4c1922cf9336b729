import { expect, test } from 'bun:test'
import type { Register } from '@parley/protocol'
import { inWorld, peerOf, RecordingLink, type World } from '../../test/world.ts'
import { manualClock } from '../clock.ts'
import { iceServers } from '../ice/ice-servers.ts'

const config = {
  stunUrls: ['stun:stun.example.com'],
  turnUrls: ['turn:turn.example.com'],
  turnUsername: '',
  turnPassword: '',
  turnSecrets: ['secret'],
  turnTtl: 3600,
}

/** A world whose peers are given TURN credentials that end after an hour. */
const withTurn = (use: (world: World) => Promise<void>) => {
  const clock = manualClock()
  return inWorld(world => use({ ...world, clock }), {
    clock,
    iceServers: holder => iceServers(config, holder, clock.now()),
  })
}

async function enter({ rooms, signIn, create, register }: World, members: Partial<Register> = {}) {
  const idToken = await signIn()
  const room = await create(idToken, { ttl: 24 * 3600 })
  const link = new RecordingLink()
  await rooms.join(register(room, 'a', idToken, members), link)
  return link
}

test('registered_auth has the ICE servers of the peer, and without TURN those for a mesh', () =>
  withTurn(async world => {
    const link = await enter(world)
    const { ice_servers, mesh_ice_servers } = iceServers(config, 'a', world.clock.now())
    expect(link.replies[0]).toMatchObject({ ice_servers, mesh_ice_servers })
    expect(mesh_ice_servers).toEqual([{ urls: ['stun:stun.example.com'] }])
    world.clock.advance(60_000)
    const reply = world.rooms.handle(peerOf(link), { type: 'get_ice_servers', request_id: undefined }, '')
    expect(JSON.parse(String(reply))).toEqual({ type: 'ice_servers', ...iceServers(config, 'a', world.clock.now()) })
  }))

test('a peer with token-refresh is sent new credentials at three quarters of their life, again and again', () =>
  withTurn(async world => {
    const link = await enter(world, { features: ['token-refresh'] })
    for (const _ of [1, 2, 3]) {
      world.clock.advance(2_700_000 - 1)
      expect(link.heard()).toEqual([])
      world.clock.advance(1)
      expect(link.heard()).toEqual([{ type: 'ice_servers', ...iceServers(config, 'a', world.clock.now()) }])
    }
    world.clock.advance(2_000_000)
    world.rooms.handle(peerOf(link), { type: 'get_ice_servers', request_id: undefined }, '')
    world.clock.advance(2_000_000)
    expect(link.heard()).toEqual([])
    world.rooms.leave(peerOf(link), 'left')
    world.clock.advance(2_700_000)
    expect(link.heard()).toEqual([])
  }))

test('a peer without it is sent none', () =>
  withTurn(async world => {
    const link = await enter(world, { features: ['acks', 'presence'] })
    world.clock.advance(3_600_000)
    expect(link.heard()).toEqual([])
  }))

test('one that does not take its credentials is ended, as it would be without them', () =>
  withTurn(async world => {
    const link = await enter(world, { features: ['token-refresh'] })
    link.reads = false
    world.clock.advance(2_700_000)
    expect(link.closed).toEqual(['SLOW_CONSUMER'])
  }))
