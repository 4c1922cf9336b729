import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type IceConfig, iceServers, turnUser } from './ice-servers.ts'

const now = 1_700_000_000_999
const stunUrls = ['stun:stun.example:3478', 'stun:stun2.example']
const turnUrls = ['turn:turn.example:3478?transport=udp', 'turn:turn.example:3478?transport=tcp']
const nothing: IceConfig = {
  stunUrls: [],
  turnUrls: [],
  turnUsername: '',
  turnPassword: '',
  turnSecrets: [],
  turnTtl: 3600,
}
const secret: IceConfig = { ...nothing, turnUrls, turnSecrets: ['a secret'] }

describe('iceServers', () => {
  test('has nothing to offer unless it is told', () => {
    expect(iceServers(nothing, 'worker-1', now)).toEqual({ ice_servers: [], mesh_ice_servers: [] })
  })

  test('offers all STUN servers in one entry, to meshes too', () => {
    const stun = [{ urls: stunUrls }]
    expect(iceServers({ ...nothing, stunUrls }, 'worker-1', now)).toEqual({ ice_servers: stun, mesh_ice_servers: stun })
  })

  test('offers the static pair as it is, without an end', () => {
    const config = { ...nothing, stunUrls, turnUrls, turnUsername: 'ada', turnPassword: 'pass word' }
    expect(iceServers(config, 'worker-1', now)).toEqual({
      ice_servers: [{ urls: stunUrls }, { urls: turnUrls, username: 'ada', credential: 'pass word' }],
      mesh_ice_servers: [{ urls: stunUrls }],
    })
  })

  // Computed with: printf %s 'turn user of 7f3c' | openssl dgst -sha256 -hmac 'a secret' | cut -c-32, and with it
  // printf %s 1700003600:NAME | openssl dgst -sha1 -hmac 'a secret' -binary | base64
  test('makes the credentials that a TURN server with the same secret computes', () => {
    expect(iceServers({ ...secret, stunUrls }, '7f3c', now)).toEqual({
      ice_servers: [
        { urls: stunUrls },
        {
          urls: turnUrls,
          username: '1700003600:0671b1a39154d91bb134128ffb666267',
          credential: '0OVSljxG6YIuScT4iR01xB5WClc=',
        },
      ],
      mesh_ice_servers: [{ urls: stunUrls }],
      expires_at: 1_700_003_600,
    })
  })

  test('makes them with the first of two secrets', () => {
    const config = { ...secret, turnSecrets: ['a secret', 'an older one'] }
    expect(iceServers(config, 'worker-1', now)).toEqual(iceServers(secret, 'worker-1', now))
  })

  test('prefers the secret to the static pair', () => {
    const config = { ...secret, turnUsername: 'ada', turnPassword: 'pass word' }
    expect(iceServers(config, 'worker-1', now)).toEqual(iceServers(secret, 'worker-1', now))
  })

  test('calls an identity by the same name at all times, and another one by another, without telling the subject', () => {
    const nameOf = (identity: string, at = now) => iceServers(secret, identity, at).ice_servers[0]?.username?.slice(11)
    expect(nameOf('7f3c', now + 86_400_000)).toBe(nameOf('7f3c'))
    expect(nameOf('7f3c')).toBe(turnUser(secret, '7f3c'))
    expect(nameOf('7f3d')).not.toBe(nameOf('7f3c'))
    expect(turnUser({ ...secret, turnSecrets: ['another'] }, '7f3c')).not.toBe(turnUser(secret, '7f3c'))
  })

  test('has no name for an identity where all share one', () => {
    expect(turnUser({ ...nothing, turnUrls, turnUsername: 'ada', turnPassword: 'pass word' }, '7f3c')).toBeUndefined()
    expect(turnUser({ ...secret, turnUrls: [] }, '7f3c')).toBeUndefined()
  })

  test('makes a username that any server takes, whatever the subject is', () => {
    const subjects = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('\ud800', 'a\udc00b', 'union select'.repeat(50)),
    )
    fc.assert(
      fc.property(subjects, subject => {
        expect(iceServers(secret, subject, now).ice_servers[0]?.username).toMatch(/^1700003600:[0-9a-f]{32}$/)
      }),
    )
  })
})
