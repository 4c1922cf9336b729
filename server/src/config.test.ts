import { describe, expect, test } from 'bun:test'
import { readConfig, settings } from './config.ts'

const faultsOf = (environment: Record<string, string>) => readConfig(environment).faults.map(({ sentence }) => sentence)

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
    expect(config).toMatchObject({ httpPort: 0, wsPort: 8080, origins: ['https://a.example', 'http://localhost:3000'] })
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
      'PARLEY_ALLOWED_ORIGINS must be origins such as https://app.example.com, separated by commas, or *, but is "https://a.example/path".',
      'PARLEY_TRUSTED_PROXIES must be addresses or networks: "proxy.local" is neither an IP address nor a network such as 10.0.0.0/8, but is "proxy.local".',
    ])
  })

  test('guesses what a misspelt setting was meant to be', () => {
    expect(faultsOf({ PARLEY_HTTP_PROT: '1' })).toEqual([
      'PARLEY_HTTP_PROT is not a setting; is PARLEY_HTTP_PORT meant?',
    ])
  })

  test('does not guess when nothing is near', () => {
    expect(faultsOf({ PARLEY_FOO: '1' })).toEqual(['PARLEY_FOO is not a setting.'])
  })

  test('finds settings that contradict each other', () => {
    expect(faultsOf({ PARLEY_HTTP_PORT: '9000', PARLEY_WS_PORT: '9000' })).toEqual([
      'PARLEY_WS_PORT must differ from PARLEY_HTTP_PORT (9000).',
    ])
    expect(faultsOf({ PARLEY_ROOM_TTL_SECONDS: '90000' })).toEqual([
      'PARLEY_ROOM_TTL_SECONDS must not exceed PARLEY_MAX_ROOM_TTL_SECONDS (86400).',
    ])
  })

  test("refuses the original container's names that this version would ignore", () => {
    expect(faultsOf({ TURN_HOST: 'turn.example', COGNITO_REGION: '' })).toEqual([
      'TURN_HOST is set, but this version has no Cognito and no TURN; unset it.',
    ])
  })

  test('never shares a variable between two settings', () => {
    const variables = Object.values(settings).map(({ variable }) => variable)
    expect(new Set(variables).size).toBe(variables.length)
  })
})
