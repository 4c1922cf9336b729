import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type IceConfig, iceServers } from './ice-servers.ts'

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

const usernameFor = (holder: string) => iceServers(secret, holder, now).ice_servers[0]?.username ?? ''

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

  // Computed with: printf %s 1700003600:worker-1 | openssl dgst -sha1 -hmac 'a secret' -binary | base64
  test('makes the credentials that a TURN server with the same secret computes', () => {
    expect(iceServers({ ...secret, stunUrls }, 'worker-1', now)).toEqual({
      ice_servers: [
        { urls: stunUrls },
        { urls: turnUrls, username: '1700003600:worker-1', credential: 'gKIU2YRNk+60td5OC3rlDp3Iw5U=' },
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

  // The same computation for the encoded username.
  test('encodes the holder, and signs the username as it is sent', () => {
    const [turn] = iceServers(secret, 'O\'Brien: "ä"', now).ice_servers
    expect(turn?.username).toBe('1700003600:O%27Brien%3A%20%22%C3%A4%22')
    expect(turn?.credential).toBe('9MQWdhyV3fjGboCLYqLLrsqhl2g=')
  })

  test('hides from coturn what it takes for SQL', () => {
    expect(usernameFor('select a Union')).toBe('1700003600:select%20a%20%55nion')
  })

  test('cuts a username at 512 bytes, but not within an escape', () => {
    const room = 512 - '1700003600:'.length
    expect(usernameFor('x'.repeat(room))).toBe(`1700003600:${'x'.repeat(room)}`)
    expect(usernameFor('x'.repeat(room + 1))).toBe(`1700003600:${'x'.repeat(room)}`)
    for (const before of [room - 1, room - 2]) {
      expect(usernameFor(`${'x'.repeat(before)} `)).toBe(`1700003600:${'x'.repeat(before)}`)
    }
    expect(usernameFor(`${'x'.repeat(room - 3)} `)).toBe(`1700003600:${'x'.repeat(room - 3)}%20`)
  })

  test('makes a username that any server takes, whatever the holder is', () => {
    const holders = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('\ud800', 'a\udc00b', 'union select'.repeat(50)),
    )
    fc.assert(
      fc.property(holders, holder => {
        const username = usernameFor(holder)
        expect(username).toMatch(/^1700003600:([\w\-.!~*()]|%[0-9A-F]{2})*$/)
        expect(username.length).toBeLessThan(513)
        if (encodeURIComponent(holder.toWellFormed()).length < 100) {
          expect(decodeURIComponent(username.slice('1700003600:'.length))).toBe(holder.toWellFormed())
        }
      }),
    )
  })
})
