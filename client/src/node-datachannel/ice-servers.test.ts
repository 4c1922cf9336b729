import { expect, test } from 'bun:test'
import { nativeIceServers } from './ice-servers.ts'

const turn = (urls: string | string[]) =>
  nativeIceServers([{ urls, username: '1767225600:peer', credential: 'a%b:c@d' }])

test('a username keeps its colon, and a credential its percent sign', () => {
  expect(turn('turn:turn.example.org:3478?transport=udp')).toEqual([
    {
      hostname: 'turn.example.org',
      port: 3478,
      username: '1767225600:peer',
      password: 'a%b:c@d',
      relayType: 'TurnUdp',
    },
  ])
})

test.each([
  ['turn:h', 3478, 'TurnUdp'],
  ['turn:h:80', 80, 'TurnUdp'],
  ['turn:h?transport=tcp', 3478, 'TurnTcp'],
  ['turns:h', 5349, 'TurnTls'],
  ['TURNS:h:443?transport=TCP', 443, 'TurnTls'],
] as const)('%s is reached at port %d by %s', (url, port, relayType) => {
  expect(turn(url)).toMatchObject([{ hostname: 'h', port, relayType }])
})

test('an entry with several URLs is several servers', () => {
  expect(turn(['turn:a:1', 'turn:b:2']).map(({ hostname }) => hostname)).toEqual(['a', 'b'])
  expect(nativeIceServers([{ urls: 'stun:a' }, { urls: ['stun:b:19302'] }])).toEqual([
    { hostname: 'a', port: 3478 },
    { hostname: 'b', port: 19_302 },
  ])
})

test.each([
  ['turn:[2001:db8::1]:3478', '2001:db8::1'],
  ['turn:[::ffff:192.0.2.1]', '::ffff:192.0.2.1'],
  ['turn:[fe80::1%25eth0]:3478', 'fe80::1%eth0'],
  ['turn:[fe80::1%eth0]:3478', 'fe80::1%eth0'],
  ['turn:192.0.2.1', '192.0.2.1'],
])('the host of %s is %s', (url, hostname) => {
  expect(turn(url)).toMatchObject([{ hostname }])
})

test('what the library has no word for is left out', () => {
  expect(turn(['stuns:h', 'turns:h?transport=udp'])).toEqual([])
})

test.each([
  'h:3478',
  'http://h',
  'turn:',
  'turn://h',
  'turn:user@h',
  'turn:h:0',
  'turn:h:65536',
  'turn:h:x',
  'turn:2001:db8::1',
  'turn:[nothing',
  'turn:h?transport=sctp',
  'stun:h?transport=udp',
])('%s is refused as browsers do', url => {
  expect(() => turn(url)).toThrow(expect.objectContaining({ name: 'SyntaxError' }))
})

test('a TURN server without credentials is refused, and so is an entry without URLs', () => {
  const isInvalid = expect.objectContaining({ name: 'InvalidAccessError' })
  expect(() => nativeIceServers([{ urls: 'turn:h' }])).toThrow(isInvalid)
  expect(() => nativeIceServers([{ urls: 'turn:h', username: 'u' }])).toThrow(isInvalid)
  expect(() => nativeIceServers([{ urls: [] }])).toThrow(expect.objectContaining({ name: 'SyntaxError' }))
})
