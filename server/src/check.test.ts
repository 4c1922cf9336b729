import { describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { check } from './check.ts'
import { readConfig } from './config.ts'

const version = '1.2.3'

/** What is said of an environment. */
const checked = (environment: Record<string, string>, others: Partial<Parameters<typeof check>[0]> = {}) => {
  const { config, faults } = readConfig({ PARLEY_DATA_DIR: '/', ...environment })
  return check({ config, faults, warnings: [], version, services: undefined, ...others })
}

const cognito = { COGNITO_REGION: 'us-east-1', COGNITO_USER_POOL_ID: 'us-east-1_abc', COGNITO_APP_CLIENT_ID: 'client' }

test('what the server would be is told in full', async () => {
  const turn = { TURN_HOST: 'turn.example.com', TURN_USERNAME: 'sleap', TURN_PASSWORD: 'not to be told' }
  const { report, complaints, exitCode } = await checked({
    ...cognito,
    ...turn,
    PARLEY_STUN_URLS: 'stun:stun.example.com',
  })
  expect([complaints, exitCode]).toEqual([[], 0])
  const how = ', user name "sleap" and TURN_PASSWORD for every peer'
  expect(report).toBe(`Parley 1.2.3 would start with these settings.

  HTTP API    127.0.0.1, port 8001
  WebSocket   127.0.0.1, port 8080
  Data        /
  Identities  Cognito user pool us-east-1_abc, app client client, in us-east-1
  Rooms       DynamoDB table rooms in us-east-1
  ICE servers stun:stun.example.com
              turn:turn.example.com:3478?transport=udp${how}
              turn:turn.example.com:3478?transport=tcp${how}
  In meshes   stun:stun.example.com
`)
})

test('no secret is told, whatever it is for', async () => {
  const secrets = { PARLEY_TURN_SECRET: 'a shared secret', PARLEY_TURN_URLS: 'turn:turn.example.com' }
  const { report } = await checked(secrets)
  expect(report).toContain('turn:turn.example.com, credentials of 3600 s for each peer (PARLEY_TURN_SECRET)')
  expect(report).not.toContain('a shared secret')
})

test('warnings are told, and keep nobody from starting', async () => {
  const warnings = [{ variable: 'TURN_PASSWORD', sentence: 'TURN_PASSWORD is empty, so that TURN_HOST is not used.' }]
  const { complaints, report, exitCode } = await checked({}, { warnings })
  expect(complaints).toEqual(['warning: TURN_PASSWORD is empty, so that TURN_HOST is not used.'])
  expect([report, exitCode]).toEqual([expect.stringContaining('would start'), 0])
})

test('faults are told all at once, behind the warnings, and nothing is asked then', async () => {
  const services = new Map([['Cognito', () => Promise.reject(new Error('must not be asked'))]])
  const warnings = [{ sentence: 'Look at this.' }]
  const environment = { PARLEY_HTTP_PORT: 'eighty', PARLEY_HTTP_PROT: '80', PARLEY_DATA_DIR: '/dev/null/data' }
  const { complaints, report, exitCode } = await checked(environment, { services, warnings })
  expect([report, exitCode]).toEqual(['', 1])
  expect(complaints).toEqual([
    'warning: Look at this.',
    'PARLEY_HTTP_PROT is not a setting; is PARLEY_HTTP_PORT meant?',
    expect.stringContaining('PARLEY_HTTP_PORT must be'),
    'PARLEY_DATA_DIR: the folder /dev/null/data cannot be used (ENOTDIR).',
    'Parley 1.2.3 would not start: 3 faults.',
  ])
})

describe('services', () => {
  const unavailable = new SignalingError('UNAVAILABLE', 'The table does not answer.', {
    cause: new Error('ECONNREFUSED'),
  })

  test('that answer are told so', async () => {
    const services = new Map([['DynamoDB', async () => {}]])
    const { report, exitCode } = await checked(cognito, { services })
    expect([report, exitCode]).toEqual([expect.stringContaining('  DynamoDB    answers\n'), 0])
  })

  test('that do not are told with the reason', async () => {
    const services = new Map([
      ['Cognito', async () => {}],
      ['DynamoDB', () => Promise.reject(unavailable)],
    ])
    const { report, complaints, exitCode } = await checked(cognito, { services })
    expect(complaints).toEqual(['The table does not answer. Error: ECONNREFUSED'])
    expect(report).toStartWith(
      'Parley 1.2.3 would start with these settings, but something that it needs does not answer.',
    )
    expect(report).toContain('  Cognito     answers\n  DynamoDB    does not answer\n')
    expect(exitCode).toBe(1)
  })
})

test('of a certificate it is told for whom it is, until when, and what is odd about it', async () => {
  const certificate = {
    cert: 'not to be told',
    key: 'not to be told',
    names: ['example.com'],
    expiresAt: Date.UTC(2030, 0, 2),
  }
  const warnings = [{ sentence: 'It is odd.' }]
  const { report, complaints } = await checked({}, { tls: { contents: '', certificate, faults: [], warnings } })
  expect(report).toContain('\n  TLS         certificate for example.com, until 2030-01-02\n')
  expect([report.includes('not to be told'), complaints]).toEqual([false, ['warning: It is odd.']])
  const faulty = await checked({}, { tls: { contents: '', faults: [{ sentence: 'It is broken.' }], warnings } })
  expect(faulty.complaints.slice(0, 2)).toEqual(['warning: It is odd.', 'It is broken.'])
})
