import { expect, test } from 'bun:test'
import type { Register } from '@parley/protocol'
import { recordingLog } from '../../test/harness.ts'
import { inWorld, peerOf, RecordingSession, replyOf, type World } from '../../test/world.ts'
import { manualClock } from '../clock.ts'
import { iceServers, turnUser } from '../ice/ice-servers.ts'

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
    iceServers: subject => iceServers(config, subject, clock.now()),
  })
}

async function enter({ rooms, signIn, create, register }: World, members: Partial<Register> = {}) {
  const idToken = await signIn()
  const room = await create(idToken, { ttl: 24 * 3600 })
  const session = new RecordingSession()
  await rooms.join(register(room, 'a', idToken, members), session)
  return session
}

test('registered_auth has the ICE servers of the peer, and without TURN those for a mesh', () =>
  withTurn(async world => {
    const session = await enter(world)
    const { identity } = peerOf(session)
    const { ice_servers, mesh_ice_servers } = iceServers(config, identity, world.clock.now())
    expect(session.replies[0]).toMatchObject({ ice_servers, mesh_ice_servers })
    expect(mesh_ice_servers).toEqual([{ urls: ['stun:stun.example.com'] }])
    world.clock.advance(60_000)
    const reply = world.rooms.handle(peerOf(session), { type: 'get_ice_servers', request_id: undefined }, '')
    expect(await replyOf(reply)).toEqual({
      type: 'ice_servers',
      ...iceServers(config, identity, world.clock.now()),
    })
  }))

test('the TURN servers know an identity by one name, which the log has beside each of its peers', async () => {
  const log = recordingLog()
  const clock = manualClock()
  const parts = {
    ...{ clock, log },
    iceServers: (subject: string) => iceServers(config, subject, clock.now()),
    turnUser: (subject: string) => turnUser(config, subject),
  }
  await inWorld(async world => {
    const [mine, other] = [await world.signIn(), await world.signIn()]
    const room = await world.create(mine)
    const userOf = async (peerId: string, idToken: string) => {
      const session = await world.join(room, peerId, idToken)
      clock.advance(1000)
      const [, user = ''] = session.replies[0]?.ice_servers[1]?.username?.split(':') ?? []
      expect(log.lines.findLast(({ msg }) => msg === 'peer registered')).toMatchObject({
        peer: peerId,
        turn_user: user,
      })
      return user
    }
    const name = await userOf('a', mine)
    expect(await userOf('b', mine)).toBe(name)
    expect(await userOf('c', other)).not.toBe(name)
    expect(name).not.toContain(await world.subjectOf(mine))
  }, parts)
})

test('a peer with token-refresh is sent new credentials at three quarters of their life, again and again', () =>
  withTurn(async world => {
    const session = await enter(world, { features: ['token-refresh'] })
    const { identity } = peerOf(session)
    // Its ID token ends meanwhile.
    const heard = () => session.heard().filter(({ type }) => type !== 'token_expiring')
    for (const _ of [1, 2, 3]) {
      world.clock.advance(2_700_000 - 1)
      expect(heard()).toEqual([])
      world.clock.advance(1)
      expect(heard()).toEqual([{ type: 'ice_servers', ...iceServers(config, identity, world.clock.now()) }])
    }
    world.clock.advance(2_000_000)
    world.rooms.handle(peerOf(session), { type: 'get_ice_servers', request_id: undefined }, '')
    world.clock.advance(2_000_000)
    expect(heard()).toEqual([])
    world.rooms.leave(peerOf(session), 'left')
    world.clock.advance(2_700_000)
    expect(heard()).toEqual([])
  }))

test('a peer without it is sent none', () =>
  withTurn(async world => {
    const session = await enter(world, { features: ['acks', 'presence'] })
    world.clock.advance(3_600_000)
    expect(session.heard()).toEqual([])
  }))

test('one that does not take its credentials is ended, as it would be without them', () =>
  withTurn(async world => {
    const session = await enter(world, { features: ['token-refresh'] })
    session.reads = false
    world.clock.advance(2_700_000)
    expect(session.closed).toEqual(['SLOW_CONSUMER'])
  }))
