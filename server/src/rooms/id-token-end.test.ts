import { describe, expect, test } from 'bun:test'
import type { Register } from '@parley/protocol'
import { recordingLog } from '../../test/harness.ts'
import { inWorld, peerOf, type RecordingSession, replyOf, type World, worldLimits } from '../../test/world.ts'
import { type Clock, manualClock } from '../clock.ts'

const features = ['token-refresh']
const hour = 3_600_000
const grace = 25_000
const closing = { limits: { ...worldLimits, expiredTokens: 'close' as const } }

/** Somebody in a room that lasts a day, and how it shows another ID token. */
async function entered(world: World, members: Partial<Register> = {}) {
  const mine = await world.identity.signIn()
  const room = await world.create(mine.idToken, { ttl: 24 * 3600 })
  const session = await world.join(room, 'ada', mine.idToken, undefined, members)
  const renew = async (id_token: string) =>
    replyOf(world.rooms.handle(peerOf(session), { type: 'renew', id_token, request_id: 'r-1' }, ''))
  const newer = () => world.identity.refresh(mine.refreshToken)
  return { room, mine, session, renew, newer }
}

/** What a session hears while the time goes by. */
function later({ clock }: World, session: RecordingSession, ms: number) {
  clock.advance(ms)
  return session.heard()
}

describe('an ID token that ends', () => {
  test('is told of 60 s before, to a peer with token-refresh, once; and again for the next one', () =>
    inWorld(async world => {
      const { session, mine, renew, newer } = await entered(world, { features })
      expect(later(world, session, hour - 60_000 - 1)).toEqual([])
      expect(later(world, session, 1)).toEqual([{ type: 'token_expiring', expires_at: mine.expiresAt }])
      world.clock.advance(30_000)
      const { idToken, expiresAt } = await newer()
      expect(await renew(idToken)).toEqual({ type: 'renewed', expires_at: expiresAt, request_id: 'r-1' })
      expect(later(world, session, hour - 60_000 - 1)).toEqual([])
      expect(later(world, session, 1)).toEqual([{ type: 'token_expiring', expires_at: expiresAt }])
      expect(later(world, session, 10 * hour)).toEqual([])
      expect([session.closed, world.metrics.errors]).toEqual([[], expect.not.objectContaining({ TOKEN_EXPIRED: 1 })])
    }))

  test('is told of to nobody who did not ask, or has left', () =>
    inWorld(async world => {
      const { session } = await entered(world)
      const { session: other } = await entered(world, { features })
      world.rooms.leave(peerOf(other), 'left')
      world.clock.advance(2 * hour)
      expect([session.heard(), other.heard(), session.closed]).toEqual([[], [], []])
    }))

  test('is not told of in its last minute, as the next one would have no more time either', () =>
    inWorld(async world => {
      const { session, renew, mine } = await entered(world, { features })
      world.clock.advance(hour - 60_000)
      expect(session.heard()).toHaveLength(1)
      expect(await renew(mine.idToken)).toMatchObject({ type: 'renewed', expires_at: mine.expiresAt })
      expect(later(world, session, hour)).toEqual([])
    }))

  test('is told of to one that does not read by closing it', () =>
    inWorld(async world => {
      const { session } = await entered(world, { features })
      session.reads = false
      world.clock.advance(hour)
      expect(session.closed).toEqual(['SLOW_CONSUMER'])
    }))

  test.each([
    ['a plain peer', []],
    ['a peer with token-refresh', features],
  ])('closes %s 25 s later where peers do not outlive their tokens, and the operator can see why', (_, features) => {
    const log = recordingLog()
    return inWorld(
      async world => {
        const { session } = await entered(world, { features })
        world.clock.advance(hour + grace - 1)
        expect(session.closed).toEqual([])
        world.clock.advance(1)
        expect(session.closed).toEqual(['TOKEN_EXPIRED'])
        expect(log.lines.at(-1)).toMatchObject({ msg: 'connection closed', peer: 'ada', code: 'TOKEN_EXPIRED' })
        expect(world.metrics.errors.get('TOKEN_EXPIRED')).toBe(1)
      },
      { ...closing, log },
    )
  })

  test('closes nobody who has shown a newer one, by renew or by register', () =>
    inWorld(async world => {
      const { room, session, renew, newer } = await entered(world)
      world.clock.advance(hour / 2)
      await renew((await newer()).idToken)
      world.clock.advance(hour)
      await world.join(room, 'ada', (await newer()).idToken, session)
      world.clock.advance(hour + grace - 1)
      expect(session.closed).toEqual([])
      world.clock.advance(1)
      expect(session.closed).toEqual(['TOKEN_EXPIRED'])
    }, closing))

  test('may be weeks away, and timers have an upper bound', () => {
    const clock = manualClock()
    const short: Clock = { ...clock, after: (ms, act) => clock.after(Math.min(ms, hour / 7), act) }
    return inWorld(
      async world => {
        const { session } = await entered(world)
        clock.advance(hour + grace - 1)
        expect(session.closed).toEqual([])
        clock.advance(1)
        expect(session.closed).toEqual(['TOKEN_EXPIRED'])
      },
      { ...closing, clock: short },
    )
  })

  test('has the time that was left when the time of day is set', () =>
    inWorld(async world => {
      const { session } = await entered(world)
      world.clock.set(world.clock.now() + 10 * hour)
      world.clock.advance(hour + grace - 1)
      expect(session.closed).toEqual([])
      world.clock.advance(1)
      expect(session.closed).toEqual(['TOKEN_EXPIRED'])
    }, closing))
})

describe('renew', () => {
  test('takes no token of another identity, nor one that has ended or is none, and changes nothing then', () =>
    inWorld(async world => {
      const { session, mine, renew } = await entered(world)
      const other = await world.identity.signIn()
      const refused = (idToken: string) => renew(idToken).catch(error => [error.code, error.message])
      expect(await refused(other.idToken)).toEqual(['INVALID_TOKEN', expect.stringContaining('another identity')])
      expect(await refused(`${mine.idToken}x`)).toEqual(['INVALID_TOKEN', 'Invalid token'])
      expect(await refused(mine.refreshToken)).toEqual(['INVALID_TOKEN', 'Invalid token'])
      world.clock.advance(hour)
      expect(await refused(mine.idToken)).toEqual(['INVALID_TOKEN', 'Invalid token'])
      expect(session.closed).toEqual([])
      world.clock.advance(grace)
      expect(session.closed).toEqual(['TOKEN_EXPIRED'])
    }, closing))

  test('plans nothing for a peer that has left meanwhile', () =>
    inWorld(async world => {
      const { session, renew, newer } = await entered(world, { features })
      const { idToken } = await newer()
      const peer = peerOf(session)
      const renewed = renew(idToken)
      world.rooms.leave(peer, 'left')
      session.peer = undefined
      expect(await renewed).toMatchObject({ type: 'renewed' })
      world.clock.advance(2 * hour)
      expect([session.heard(), session.closed]).toEqual([[], []])
    }, closing))

  test('is told when the provider does not answer in time, and the peer stays', () => {
    const clock = manualClock()
    return inWorld(
      async world => {
        const { session, renew, newer } = await entered(world)
        const { idToken } = await newer()
        const { verify } = world.identity
        world.identity.verify = () => new Promise(() => {})
        const code = renew(idToken).catch(error => error.code)
        clock.advance(5_000)
        expect(await code).toBe('UNAVAILABLE')
        world.identity.verify = verify
        expect(session.closed).toEqual([])
        expect(await renew(idToken)).toMatchObject({ type: 'renewed' })
      },
      { clock },
    )
  })
})
