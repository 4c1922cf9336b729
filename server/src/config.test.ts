import { describe, expect, test } from 'bun:test'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { readConfig } from './config.ts'
import { iceServers } from './ice/ice-servers.ts'
import { settings } from './settings.ts'

const faultsOf = (environment: Record<string, string>) => readConfig(environment).faults.map(({ sentence }) => sentence)
/** The warnings, where there must be no fault beside them. */
const warningsOf = (environment: Record<string, string>) => {
  const { faults, warnings } = readConfig(environment)
  expect(faults).toEqual([])
  return warnings.map(({ sentence }) => sentence)
}

describe('readConfig', () => {
  test('takes an empty environment: every setting has a default that is right', () => {
    const { config, faults } = readConfig({})
    expect(faults).toEqual([])
    expect(config).toMatchObject({
      host: '127.0.0.1',
      httpPort: 8001,
      wsPort: 8080,
      roomTtl: 7200,
      messageBytes: 1048576,
    })
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('takes what is set, and an empty variable for none', () => {
    const { config, faults } = readConfig({
      PARLEY_HTTP_PORT: '0',
      PARLEY_WS_PORT: '',
      PARLEY_ALLOWED_ORIGINS: 'https://a.example, http://localhost:3000',
      PARLEY_TRUSTED_PROXIES: '10.0.0.0/8,::1',
      PATH: '/bin',
    })
    expect(faults).toEqual([])
    expect(config).toMatchObject({ httpPort: 0, wsPort: 8080 })
    expect(config.origins.allows('http://localhost:3000')).toBe(true)
    expect(config.proxies.trusts('10.1.1.1')).toBe(true)
  })

  test('tells all faults at once, each by the name of its setting', () => {
    expect(
      faultsOf({
        PARLEY_HTTP_PORT: '80a',
        PARLEY_WS_PORT: '65536',
        PARLEY_LOG_LEVEL: 'loud',
        PARLEY_ROOM_TTL: '60',
        PARLEY_ALLOWED_ORIGINS: 'https://a.example/path',
        PARLEY_TRUSTED_PROXIES: 'proxy.local',
        PARLEY_NO_SUCH_THING: '1',
      }),
    ).toEqual([
      'PARLEY_ROOM_TTL is not a setting.',
      'PARLEY_NO_SUCH_THING is not a setting.',
      'PARLEY_HTTP_PORT must be a whole number from 0 to 65535, but is "80a".',
      'PARLEY_WS_PORT must be a whole number from 0 to 65535, but is "65536".',
      'PARLEY_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, but is "loud".',
      'PARLEY_ALLOWED_ORIGINS must be origins such as https://app.example.com, separated by commas, or * ("https://a.example/path" has more than scheme, host and port), but is "https://a.example/path".',
      'PARLEY_TRUSTED_PROXIES must be addresses or networks: "proxy.local" is neither an IP address nor a network such as 10.0.0.0/8, but is "proxy.local".',
    ])
  })

  test('guesses what a misspelt setting was meant to be', () => {
    expect(faultsOf({ PARLEY_HTTP_PROT: '1' })).toEqual([
      'PARLEY_HTTP_PROT is not a setting; is PARLEY_HTTP_PORT meant?',
    ])
  })

  test('leaves what belongs to the CLI to that', () => {
    expect(faultsOf({ PARLEY_HOME: '/home/me/parley', PARLEY_DEBUG: '1' })).toEqual([])
  })

  test('passes over what Kubernetes tells of a service called parley, but not over a misspelt port', () => {
    const service = {
      PARLEY_SERVICE_HOST: '10.96.7.1',
      PARLEY_SERVICE_PORT: '80',
      PARLEY_SERVICE_PORT_HTTP: '80',
      PARLEY_PORT: 'tcp://10.96.7.1:80',
      PARLEY_PORT_80_TCP: 'tcp://10.96.7.1:80',
      PARLEY_PORT_80_TCP_PROTO: 'tcp',
      PARLEY_PORT_80_TCP_PORT: '80',
      PARLEY_PORT_80_TCP_ADDR: '10.96.7.1',
      PARLEY_SERVER_PORT: 'udp://10.96.7.2:80',
    }
    expect(faultsOf(service)).toEqual([])
    expect(faultsOf({ PARLEY_PORT: '80' })).toEqual([expect.stringContaining('PARLEY_PORT is not a setting')])
  })

  test('does not guess when nothing is near', () => {
    expect(faultsOf({ PARLEY_FOO: '1' })).toEqual(['PARLEY_FOO is not a setting.'])
  })

  test.each([
    ['COGNITO_CLIENT_ID', 'COGNITO_APP_CLIENT_ID'],
    ['COGNITO_USERPOOL_ID', 'COGNITO_USER_POOL_ID'],
    ['COGNITO_POOL_ID', 'COGNITO_USER_POOL_ID'],
    ['COGNITO_REGIONS', 'COGNITO_REGION'],
    ['TURN_USER', 'TURN_USERNAME'],
    ['TURN_PASS', 'TURN_PASSWORD'],
  ])('takes %s for a misspelt %s', (variable, meant) => {
    expect(faultsOf({ [variable]: 'x' })).toEqual([`${variable} is not a setting; is ${meant} meant?`])
  })

  test('leaves to others what has beginnings of ours but is nothing of ours, or has its right name beside it', () => {
    const others = ['COGNITO_DOMAIN', 'COGNITO_IDENTITY_POOL_ID', 'COGNITO_USER_POOL_ARN', 'COGNITO_APP_CLIENT_SECRET']
    const ofTurn = ['TURN_REALM', 'TURN_TLS_PORT', 'TURN_SERVICE_HOST', 'TURN_SECRET']
    expect(faultsOf(Object.fromEntries([...others, ...ofTurn].map(name => [name, 'x'])))).toEqual([])
    expect(faultsOf({ COGNITO_CLIENT_ID: '', TURN_USER: '' })).toEqual([])
    expect(faultsOf({ TURN_PORT: '3478', TURN_PORTS: '3478,5349' })).toEqual([])
  })

  test('takes one port for both', () => {
    expect(faultsOf({ PARLEY_HTTP_PORT: '9000', PARLEY_WS_PORT: '9000' })).toEqual([])
  })

  test('finds settings that contradict each other', () => {
    expect(faultsOf({ PARLEY_ROOM_TTL_SECONDS: '90000' })).toEqual([
      'PARLEY_ROOM_TTL_SECONDS must not exceed PARLEY_MAX_ROOM_TTL_SECONDS (86400).',
    ])
  })

  test('never shares a variable between two settings', () => {
    const variables = Object.values(settings).map(({ variable }) => variable)
    expect(new Set(variables).size).toBe(variables.length)
  })
})

describe('the identity provider and the room store', () => {
  const names = {
    COGNITO_REGION: 'eu-central-1',
    COGNITO_USER_POOL_ID: 'eu-central-1_AbCdEf123',
    COGNITO_APP_CLIENT_ID: '1example23456789',
  }
  const cognito = { kind: 'cognito', region: 'eu-central-1', userPoolId: 'eu-central-1_AbCdEf123' }
  const chosen = (environment: Record<string, string>): unknown[] => {
    const { config, faults } = readConfig(environment)
    expect(faults).toEqual([])
    return [config.identity, config.store]
  }

  test('are embedded if nothing is said', () => {
    expect(chosen({})).toEqual([{ kind: 'local', lifetime: 3600, refreshLifetime: 2_592_000 }, { kind: 'sqlite' }])
  })

  test("are Cognito and DynamoDB with the names of the original's container, and nothing else", () => {
    const store = { kind: 'dynamodb', region: 'eu-central-1', table: 'rooms' }
    expect(chosen({ ...names, TURN_HOST: '' })).toEqual([{ ...cognito, clientId: '1example23456789' }, store])
  })

  test('are chosen one by one', () => {
    const table = { PARLEY_DYNAMODB_TABLE: 'other', PARLEY_DYNAMODB_REGION: 'us-gov-west-1' }
    const other = { kind: 'dynamodb', region: 'us-gov-west-1', table: 'other' }
    expect(chosen({ ...names, ...table })).toMatchObject([cognito, other])
    expect(chosen({ ...names, PARLEY_ROOM_STORE: 'sqlite' })).toMatchObject([cognito, { kind: 'sqlite' }])
    expect(chosen({ ...table, PARLEY_ROOM_STORE: 'dynamodb' })).toMatchObject([{ kind: 'local' }, other])
    const inRegion = { PARLEY_ROOM_STORE: 'dynamodb', COGNITO_REGION: 'us-east-1' }
    expect(chosen(inRegion)).toMatchObject([{ kind: 'local' }, { region: 'us-east-1', table: 'rooms' }])
    const oidc = { PARLEY_IDENTITY: 'oidc', PARLEY_OIDC_ISSUER: 'https://id.example/a/', PARLEY_OIDC_AUDIENCE: 'app' }
    expect(chosen(oidc)).toEqual([
      { kind: 'oidc', issuer: 'https://id.example/a/', audience: 'app' },
      { kind: 'sqlite' },
    ])
  })

  test('need all that they need', () => {
    const { COGNITO_REGION, COGNITO_APP_CLIENT_ID } = names
    expect(faultsOf({ COGNITO_REGION })).toEqual([
      'COGNITO_USER_POOL_ID is not set, but Cognito needs it.',
      'COGNITO_APP_CLIENT_ID is not set, but Cognito needs it.',
    ])
    expect(faultsOf({ COGNITO_APP_CLIENT_ID })).toEqual([
      'COGNITO_REGION is not set, but Cognito needs it.',
      'COGNITO_USER_POOL_ID is not set, but Cognito needs it.',
    ])
    expect(faultsOf({ PARLEY_IDENTITY: 'oidc' })).toEqual([
      'PARLEY_OIDC_ISSUER is not set, but an OpenID provider needs it.',
      'PARLEY_OIDC_AUDIENCE is not set, but an OpenID provider needs it.',
    ])
    expect(faultsOf({ PARLEY_ROOM_STORE: 'dynamodb' })).toEqual([
      'PARLEY_DYNAMODB_REGION is not set, but DynamoDB needs it.',
    ])
  })

  test('are not asked to ignore what is set', () => {
    expect(faultsOf({ ...names, PARLEY_IDENTITY: 'local', PARLEY_DYNAMODB_TABLE: 'other' })).toEqual([
      'COGNITO_USER_POOL_ID is set, but identities come from local (PARLEY_IDENTITY); unset it.',
      'COGNITO_APP_CLIENT_ID is set, but identities come from local (PARLEY_IDENTITY); unset it.',
      'PARLEY_DYNAMODB_TABLE is set, but rooms are kept in sqlite (PARLEY_ROOM_STORE); unset it.',
      'COGNITO_REGION is set, but identities come from local (PARLEY_IDENTITY); unset it.',
    ])
    expect(faultsOf({ ...names, PARLEY_ID_TOKEN_TTL_SECONDS: '600' })).toEqual([
      'PARLEY_ID_TOKEN_TTL_SECONDS is set, but the life of tokens is decided by the identity provider (cognito); unset it.',
    ])
    expect(faultsOf({ ...names, PARLEY_OIDC_AUDIENCE: 'app' })).toEqual([
      'PARLEY_OIDC_AUDIENCE is set, but identities come from cognito (PARLEY_IDENTITY); unset it.',
    ])
  })

  test('are those that all nodes see, where there are several', () => {
    const url = { PARLEY_REDIS_URL: 'redis://cache:6379' }
    const chosen = (environment: Record<string, string>) => {
      const { config, faults } = readConfig(environment)
      return [config.identity.kind, config.store.kind, ...faults.map(({ sentence }) => sentence)]
    }
    expect(chosen(url)).toEqual(['local', 'redis'])
    expect(chosen({ ...url, PARLEY_ROOM_STORE: 'dynamodb', PARLEY_DYNAMODB_REGION: 'eu-west-1' })).toEqual([
      'local',
      'dynamodb',
    ])
    expect(chosen({ ...url, PARLEY_ROOM_STORE: 'sqlite' })).toEqual([
      'local',
      'sqlite',
      'PARLEY_ROOM_STORE is sqlite, which the other nodes of PARLEY_REDIS_URL would not see; unset it, or use dynamodb.',
    ])
    expect(chosen({ PARLEY_ROOM_STORE: 'redis', PARLEY_NODE_PORT: '1' })).toEqual([
      'local',
      'redis',
      'PARLEY_REDIS_URL is not set, but the room store redis needs it.',
      'PARLEY_NODE_PORT is set, but there is no PARLEY_REDIS_URL; unset it.',
    ])
    for (const wrong of ['cache:6379', 'http://cache', 'redis://', 'redis://a?b'])
      expect(chosen({ PARLEY_REDIS_URL: wrong })).toContain(
        'PARLEY_REDIS_URL must be a URL such as redis://host:6379 or rediss://user:password@host:6379.',
      )
  })

  test('are one of those that there are', () => {
    expect(faultsOf({ PARLEY_IDENTITY: 'Cognito', PARLEY_ROOM_STORE: 'etcd' })).toEqual([
      'PARLEY_IDENTITY must be one of local, cognito, oidc, but is "Cognito".',
      'PARLEY_ROOM_STORE must be one of sqlite, dynamodb, redis, but is "etcd".',
    ])
  })

  test('have the endpoints that the AWS SDK is told, which must be URLs where it is used', () => {
    const nonsense = {
      AWS_ENDPOINT_URL: 'nonsense',
      AWS_ENDPOINT_URL_DYNAMODB: 'localhost:8000',
      AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: 'ftp://localhost',
      AWS_ENDPOINT_URL_S3: 'nonsense',
    }
    const sentence = 'must be an http: or https: URL, but is'
    expect(faultsOf({ ...names, ...nonsense })).toEqual([
      `AWS_ENDPOINT_URL ${sentence} "nonsense".`,
      `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER ${sentence} "ftp://localhost".`,
      `AWS_ENDPOINT_URL_DYNAMODB ${sentence} "localhost:8000".`,
    ])
    expect(faultsOf({ ...nonsense, ...names, PARLEY_ROOM_STORE: 'sqlite', AWS_ENDPOINT_URL: '' })).toEqual([
      `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER ${sentence} "ftp://localhost".`,
    ])
    expect(faultsOf(nonsense)).toEqual([])
    expect(faultsOf({ ...names, AWS_ENDPOINT_URL: 'http://localhost:4566' })).toEqual([])
  })

  test.each([
    ...['eu-central-1_AbCdEf123', 'us-gov-west-1_a', 'eusc-de-east-1_a1', 'us-iso-east-1_AbC', 'us-isob-east-1_a'],
    ...['foo_bar', 'US-EAST-1_AbC', 'us-east-1_', 'us-east-1_a-b', 'us-east-1', 'us-east-12_a', 'eu-gov-gov-east-1_a'],
    ...['us-east-1_a_b', ' us-east-1_a'],
  ])('take the pool %s where the verifier of its tokens does', id => {
    const parse = () => CognitoJwtVerifier.parseUserPoolId(id)
    const [COGNITO_REGION = 'us-east-1'] = /^[a-z]{2,}(-[a-z]+)+-\d/.exec(id) ?? []
    const faults = faultsOf({ ...names, COGNITO_REGION, COGNITO_USER_POOL_ID: id })
    if (faults.length === 0) expect(parse).not.toThrow()
    else {
      expect(parse).toThrow('Invalid Cognito User Pool ID')
      const sentence = 'must be the id of a user pool, such as eu-central-1_AbCdEf123'
      expect(faults).toEqual([`COGNITO_USER_POOL_ID ${sentence}, but is "${id}".`])
    }
  })

  test('are named as they can exist', () => {
    const malformed = { COGNITO_REGION: 'Frankfurt', COGNITO_USER_POOL_ID: 'pool', COGNITO_APP_CLIENT_ID: 'a b' }
    expect(faultsOf(malformed)).toEqual([
      'COGNITO_REGION must be an AWS region such as eu-central-1, but is "Frankfurt".',
      'COGNITO_USER_POOL_ID must be the id of a user pool, such as eu-central-1_AbCdEf123, but is "pool".',
      'COGNITO_APP_CLIENT_ID must be the id of an app client, but is "a b".',
    ])
    expect(faultsOf({ ...names, COGNITO_REGION: 'us-east-1' })).toEqual([
      'COGNITO_REGION is us-east-1, but the pool of COGNITO_USER_POOL_ID is in eu-central-1.',
    ])
    const issuers = ['http://id.example', 'id.example', 'https://id.example/?a', 'https://me@id.example']
    for (const issuer of issuers) {
      const [fault] = faultsOf({ PARLEY_IDENTITY: 'oidc', PARLEY_OIDC_ISSUER: issuer, PARLEY_OIDC_AUDIENCE: 'app' })
      expect(fault).toBe(
        `PARLEY_OIDC_ISSUER must be an https: URL without query and fragment, but is "${issuer.replace('me@', '(hidden)@')}".`,
      )
    }
  })
})

describe('the ICE settings', () => {
  const pair = { TURN_USERNAME: 'ada', TURN_PASSWORD: 'pass word' }

  const stun = [{ urls: ['stun:stun.l.google.com:19302', 'stun:stun1.l.google.com:19302'] }]

  test.each([
    ['nothing', {}],
    ['an empty variable', { PARLEY_STUN_URLS: '' }],
    ['Cognito', { COGNITO_REGION: 'eu-central-1', COGNITO_USER_POOL_ID: 'eu-central-1_a', COGNITO_APP_CLIENT_ID: 'b' }],
  ])('with %s said, name the two STUN servers that the original named, for meshes too', (_, environment) => {
    const { config, faults } = readConfig(environment)
    expect(faults).toEqual([])
    expect(iceServers(config, 'me', 0)).toEqual({ ice_servers: stun, mesh_ice_servers: stun })
  })

  test('name them beside a TURN server, too', () => {
    const { config } = readConfig({ TURN_HOST: 'turn.example', ...pair })
    const { ice_servers, mesh_ice_servers } = iceServers(config, 'me', 0)
    expect(ice_servers).toHaveLength(2)
    expect(ice_servers[0]).toEqual(stun[0])
    expect(mesh_ice_servers).toEqual(stun)
  })

  test('name no server at the word none', () => {
    const { config, faults } = readConfig({ PARLEY_STUN_URLS: 'none' })
    expect(faults).toEqual([])
    expect(iceServers(config, 'me', 0)).toEqual({ ice_servers: [], mesh_ice_servers: [] })
    expect(faultsOf({ PARLEY_STUN_URLS: 'none, stun:stun.example' })).toHaveLength(1)
  })

  test("take the original container's names: a TURN server over UDP and TCP, with one pair for all", () => {
    const { config, faults, warnings } = readConfig({ TURN_HOST: 'turn.example', PARLEY_STUN_URLS: 'none', ...pair })
    expect([...faults, ...warnings]).toEqual([])
    const urls = ['turn:turn.example:3478?transport=udp', 'turn:turn.example:3478?transport=tcp']
    expect(iceServers(config, 'me', 0).ice_servers).toEqual([{ urls, username: 'ada', credential: 'pass word' }])
  })

  test('take lists of servers, after the one of TURN_HOST, none twice', () => {
    const { config, faults } = readConfig({
      PARLEY_STUN_URLS: 'stun:stun.example, stuns:[2001:db8::1]:5349',
      PARLEY_TURN_URLS: 'turns:turn.example, turn:192.0.2.1:3479?transport=tcp,turn:10.0.0.1?transport=udp',
      TURN_HOST: '192.0.2.1',
      TURN_PORT: '3479',
      PARLEY_TURN_SECRET: 'old, new',
      PARLEY_TURN_TTL_SECONDS: '60',
    })
    expect(faults).toEqual([])
    expect(config).toMatchObject({
      stunUrls: ['stun:stun.example', 'stuns:[2001:db8::1]:5349'],
      turnUrls: [
        'turn:192.0.2.1:3479?transport=udp',
        'turn:192.0.2.1:3479?transport=tcp',
        'turns:turn.example',
        'turn:10.0.0.1?transport=udp',
      ],
      turnSecrets: ['old', 'new'],
      turnTtl: 60,
    })
  })

  test.each(['2001:db8::1', '[2001:db8::1]'])('put the IPv6 address %s into brackets', address => {
    const { config, faults } = readConfig({ TURN_HOST: address, ...pair })
    expect(faults).toEqual([])
    expect(config.turnUrls[0]).toBe('turn:[2001:db8::1]:3478?transport=udp')
  })

  test.each([
    ...['stun.example', 'turn:turn.example', 'stun://stun.example', 'stun:', 'stun:a:0', 'stun:a:65536', 'stun:a:'],
    ...['stun:a?transport=udp', 'stun:2001:db8::1', 'stun:[2001:db8::1', 'stun:[192.0.2.1]', 'stun:192.0.2.256'],
    ...['stun:a/b', 'stun:a b', 'STUN:a'],
  ])('refuse %s as a STUN URL', url => {
    expect(faultsOf({ PARLEY_STUN_URLS: `stun:stun.example,${url}` })).toEqual([
      `PARLEY_STUN_URLS must be URLs such as stun:stun.example.com:3478, separated by commas, or none, but is "stun:stun.example,${url}".`,
    ])
  })

  test.each([
    ...[
      'stun:stun.example',
      'turn://turn.example',
      'turn:a?transport=sctp',
      'turn:a?x=1',
      'turn:a?transport=udp#',
      'turn:?',
    ],
  ])('refuse %s as a TURN URL', url => {
    expect(faultsOf({ PARLEY_TURN_URLS: url, ...pair })).toEqual([
      `PARLEY_TURN_URLS must be URLs such as turn:turn.example.com:3478?transport=udp, separated by commas, but is "${url}".`,
    ])
  })

  test.each(['turn.example:3478', 'turn:turn.example', '[192.0.2.1]', 'a b', 'a/b', '::1%eth0', ':', '['])(
    'pass over %s as the host of a TURN server, with a warning',
    host => {
      expect(warningsOf({ TURN_HOST: host, ...pair })).toEqual([
        `TURN_HOST must be a host name or an IP address, but is "${host}". It counts as not set.`,
        'TURN_USERNAME is set, but TURN_HOST is not: peers are told of no TURN server.',
      ])
    },
  )

  test('take the usual port for a faulty one, with a warning', () => {
    const environment = { TURN_HOST: 'turn.example', TURN_PORT: '3478/udp', ...pair }
    expect(warningsOf(environment)).toEqual([
      'TURN_PORT must be a whole number from 1 to 65535, but is "3478/udp". It counts as 3478.',
    ])
    expect(readConfig(environment).config.turnUrls[0]).toBe('turn:turn.example:3478?transport=udp')
  })

  test.each([
    ['as its own user data writes them', { TURN_USERNAME: 'sleap', TURN_PASSWORD: '' }, 'TURN_USERNAME'],
    ['with a pair alone', { TURN_HOST: '', ...pair }, 'TURN_USERNAME'],
    ['with a password alone', { TURN_PASSWORD: 's3cret' }, 'TURN_PASSWORD'],
  ])('start with the names of the original, %s, and tell of no TURN server', (_, environment, variable) => {
    expect(warningsOf(environment)).toEqual([
      `${variable} is set, but TURN_HOST is not: peers are told of no TURN server.`,
    ])
    expect(readConfig(environment).config.turnUrls).toEqual([])
  })

  test.each([{}, { TURN_USERNAME: 'ada' }])(
    'do not use TURN_HOST without a password, as the original: with %p',
    rest => {
      const environment = { TURN_HOST: 'turn.example', ...rest }
      expect(warningsOf(environment)).toEqual([
        'TURN_HOST is set, but TURN_PASSWORD is not, nor PARLEY_TURN_SECRET: peers are not told of it.',
      ])
      expect(readConfig(environment).config.turnUrls).toEqual([])
    },
  )

  test('have the user name of the original where there is none', () => {
    const environment = { TURN_HOST: 'turn.example', TURN_PASSWORD: 's3cret' }
    expect(warningsOf(environment)).toEqual(['TURN_USERNAME is not set: peers use "sleap", as on the Python server.'])
    expect(iceServers(readConfig(environment).config, 'me', 0).ice_servers[1]).toMatchObject({
      username: 'sleap',
      credential: 's3cret',
    })
  })

  test('tell of a TURN server that nobody could use, if Parley was told of it by its own name', () => {
    expect(faultsOf({ PARLEY_TURN_URLS: 'turn:turn.example' })).toEqual([
      'PARLEY_TURN_URLS is set, but no credentials are: set PARLEY_TURN_SECRET, or TURN_USERNAME and TURN_PASSWORD.',
    ])
    expect(faultsOf({ PARLEY_TURN_URLS: 'turn:turn.example', TURN_USERNAME: 'ada' })).toEqual([
      'TURN_USERNAME is set, but TURN_PASSWORD is not.',
    ])
    expect(faultsOf({ PARLEY_TURN_URLS: 'turn:turn.example', TURN_PASSWORD: 's3cret' })).toEqual([
      'TURN_PASSWORD is set, but TURN_USERNAME is not.',
    ])
    expect(faultsOf({ PARLEY_TURN_SECRET: 's3cret' })).toEqual([
      'PARLEY_TURN_SECRET is set, but no TURN server is: set TURN_HOST or PARLEY_TURN_URLS.',
    ])
  })

  test('never tell a secret, also not when it is at fault', () => {
    const { faults, warnings } = readConfig({
      TURN_PASSWORD: 's3cret',
      PARLEY_TURN_SECRET: 's3cret-1,s3cret-2,s3cret-3',
      PARLEY_TURN_SECRETS: 's3cret',
      PARLEY_TURN_TTL_SECONDS: '59',
    })
    expect(faults.map(({ sentence }) => sentence)).toEqual([
      'PARLEY_TURN_SECRETS is not a setting; is PARLEY_TURN_SECRET meant?',
      'PARLEY_TURN_SECRET must be one secret, or two separated by a comma.',
      'PARLEY_TURN_TTL_SECONDS must be a whole number from 60 to 86400, but is "59".',
    ])
    expect(warnings.map(({ sentence }) => sentence)).toEqual([
      'TURN_PASSWORD is set, but TURN_HOST is not: peers are told of no TURN server.',
    ])
  })
})
