import { describe, expect, onTestFinished, test } from 'bun:test'
import { type StunBehaviour, serveUdp } from '../../test/stun-server.ts'
import { checkIceServer, checkIceServers, type IceTarget } from './ice-checks.ts'
import { doubts } from './relay-doubts.ts'
import { Trouble } from './trouble.ts'

const targetsOf = async (...iceServers: unknown[]): Promise<readonly IceTarget[]> =>
  (await checkIceServers({ iceServers })).value

/** What the check of one URL finds, or the trouble that it meets. */
async function check(urls: string, credentials: object = {}): Promise<unknown> {
  const [target] = await targetsOf({ urls, ...credentials })
  if (!target) throw new Error('There is no such target.')
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  return checkIceServer(target, ending.signal).catch(error => error)
}

async function checkTurn(behaviour: StunBehaviour, credentials: object): Promise<unknown> {
  const { port, close } = await serveUdp(behaviour)
  onTestFinished(close)
  return check(`turn:127.0.0.1:${port}`, credentials)
}

describe('what peers are told of', () => {
  test('is each URL once, whatever form the entries have', async () => {
    const turn = { urls: ['turn:b', 'turns:b'], username: 'u', credential: 'c' }
    const targets = await targetsOf({ urls: 'stun:a' }, turn, { urls: ['turn:b'] }, null, {})
    expect(targets).toMatchObject([
      { text: 'stun:a', kind: 'stun' },
      { text: 'turn:b', kind: 'turn', credentials: { username: 'u', credential: 'c' } },
      { text: 'turns:b', kind: 'turn', credentials: { username: 'u', credential: 'c' } },
    ])
  })

  test.each([
    [[], 'Peers are told of no STUN and no TURN server.'],
    [undefined, 'Peers are told of no STUN and no TURN server.'],
    [[{ urls: ['stun:a', 'stun:b'] }], 'Peers are told of 2 STUN and 0 TURN URLs.'],
  ])('is a warning without TURN: %j', async (iceServers, detail) => {
    const advice = expect.stringContaining('PARLEY_TURN_URLS')
    expect(await checkIceServers({ iceServers })).toMatchObject({ status: 'warning', detail, advice })
  })

  test('tells no password that somebody wrote into a URL', async () => {
    const [target] = await targetsOf({ urls: 'turn:ada:secret@turn.example.com' })
    expect(target).toMatchObject({ text: 'turn:…@turn.example.com', url: undefined })
    expect(await check('turn:ada:secret@turn.example.com')).toEqual(
      new Trouble('“turn:…@turn.example.com” is no URL of a TURN server.', 'Correct PARLEY_TURN_URLS.'),
    )
  })

  test('is not always something that can be tried', async () => {
    expect(await check('turns:turn.example.com?transport=udp')).toMatchObject({
      name: 'Skip',
      message: expect.stringContaining('DTLS'),
    })
  })
})

describe('a refusal', () => {
  const credentials = { username: '1700003600:me', credential: 'right' }
  const refusing = (code: number, reason = 'No') =>
    checkTurn({ password: 'right', refusal: [code, reason] }, credentials)

  test('of time-limited credentials is about the secret and the clocks', async () => {
    expect(await checkTurn({ password: 'wrong' }, credentials)).toMatchObject({
      message: 'It refuses the credentials that Parley gives out (401 Unauthorized).',
      advice: expect.stringMatching(/PARLEY_TURN_SECRET.*clocks/),
    })
  })

  test('of others is about the pair', async () => {
    expect(await checkTurn({ password: 'wrong' }, { username: 'ada', credential: 'right' })).toMatchObject({
      advice: expect.stringContaining('TURN_USERNAME and TURN_PASSWORD'),
    })
  })

  test.each([
    [486, 'user-quota'],
    [508, 'min-port'],
    [403, 'log of the TURN server'],
  ])('with %p has an advice of its own', async (code, advice) => {
    expect(await refusing(code)).toMatchObject({
      message: expect.stringContaining(`(${code} No)`),
      advice: expect.stringContaining(advice),
    })
  })

  test('cannot write into the terminal', async () => {
    expect(await refusing(403, '\x1b[2J\x07')).toMatchObject({ message: 'It gives no relay (403 [2J).' })
  })
})

describe('a relay', () => {
  const relay = (ip: string, isOpen = false) => ({ relayed: { ip, port: 50_000 }, isOpen })
  const at = (ip: string) => ({ ip, port: 3478 })

  test('that anybody gets is a warning', async () => {
    expect(await checkTurn({}, {})).toMatchObject({
      status: 'warning',
      detail: 'It gives a relay at 192.0.2.9:50000.',
      advice: expect.stringContaining('strangers can send through it'),
    })
  })

  test.each(['10.0.0.1', '172.31.0.5', '192.168.1.2', '100.64.0.1', '127.0.0.1', 'fd00::1', 'fe80::1', '::1'])(
    'at %s is a warning, if the server is elsewhere',
    ip => {
      expect(doubts(relay(ip), at('203.0.113.5'))).toMatchObject({ advice: expect.stringContaining('external-ip') })
    },
  )

  test.each([
    ['203.0.113.5', '203.0.113.5'],
    ['2001:db8::5', '203.0.113.5'],
    ['172.32.0.1', '203.0.113.5'],
    ['192.168.1.2', '192.168.1.2'],
  ])('at %s is fine, if the server is at %s', (ip, server) => {
    expect(doubts(relay(ip), at(server))).toEqual({})
  })
})
