import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'bun:test'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { awsCodes } from '../cli/src/doctor/aws/codes.ts'
import { examineAws } from '../cli/src/doctor/aws/examine-aws.ts'
import { awsPackages } from '../cli/src/doctor/aws/packages.ts'
import { type AwsOptions, awsTarget } from '../cli/src/doctor/aws/target.ts'
import type { CheckResult } from '../cli/src/doctor/check.ts'
import { summary } from '../cli/src/doctor/report.ts'
import { type CognitoLocal, type Pool, startCognitoLocal } from './aws/cognito-local.ts'
import { type Account, type ControlPlane, items, members, type Part, startControlPlane } from './aws/control-plane.ts'
import { createRoomsTable, type Dynalite, startDynalite } from './aws/dynalite.ts'
import { type OverlayProxy, startOverlayProxy } from './aws/overlay-proxy.ts'
import { buildCli, type CliEvent, newFolder, runCli, runtimes } from './cli-process.ts'
import { root } from './parley-process.ts'

const region = 'us-east-1'
const account = '123456789012'
const instanceId = 'i-0123456789abcdef0'
const roleArn = `arn:aws:iam::${account}:role/parley-dev-role`
const serverActions = [
  ...['cognito-idp:AdminConfirmSignUp', 'cognito-idp:AdminDeleteUser'],
  ...['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
]

let emulator: CognitoLocal
let dynalite: Dynalite
let cognito: OverlayProxy
let dynamodb: OverlayProxy
let plane: ControlPlane
let pool: Pool

beforeAll(async () => {
  ;[emulator, dynalite] = await Promise.all([startCognitoLocal(region), startDynalite()])
  cognito = startOverlayProxy(emulator.url)
  dynamodb = startOverlayProxy(dynalite.url)
  plane = await startControlPlane(healthy())
  pool = await emulator.createPool()
  await createRoomsTable(dynalite.url)
})

afterAll(async () => {
  for (const each of [cognito, dynamodb, plane]) each.stop()
  await Promise.all([emulator.stop(), dynalite.stop()])
})

// dynalite knows no time to live but that it is off.
const ttl = (description: object) => ({ DescribeTimeToLive: { TimeToLiveDescription: { ...description } } })

beforeEach(() => {
  Object.assign(plane.account, healthy())
  Object.assign(cognito, { overlays: {}, errors: {} })
  Object.assign(dynamodb, { overlays: ttl({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expires_at' }), errors: {} })
})

const open = (protocol: string, from: number, to: number, cidr = '0.0.0.0/0'): Part => ({
  ...{ ipProtocol: protocol, fromPort: from, toPort: to },
  ...{ groups: '', ipRanges: items([{ cidrIp: cidr, description: 'why' }]), ipv6Ranges: '', prefixListIds: '' },
})
const allOut: Part = { ipProtocol: '-1', groups: '', ipRanges: items([{ cidrIp: '0.0.0.0/0' }]), ipv6Ranges: '' }

function group(inbound: readonly Part[], outbound: readonly Part[] = [allOut], groupId = 'sg-1'): Part {
  const permissions = { ipPermissions: items(inbound), ipPermissionsEgress: items(outbound) }
  return { ownerId: account, groupId, groupName: 'parley', groupDescription: 'a server', ...permissions }
}

function instance(changes: Readonly<Record<string, Part | undefined>> = {}): Part {
  const options = { state: 'applied', httpTokens: 'required', httpPutResponseHopLimit: 2, httpEndpoint: 'enabled' }
  return {
    instanceId,
    instanceState: { code: 16, name: 'running' },
    ipAddress: '127.0.0.1',
    iamInstanceProfile: { arn: `arn:aws:iam::${account}:instance-profile/some/path/parley-dev`, id: 'AIPA' },
    metadataOptions: options,
    groupSet: items([{ groupId: 'sg-1', groupName: 'parley' }]),
    tagSet: items([
      { key: 'Name', value: 'parley-dev' },
      { key: 'Project', value: 'parley' },
    ]),
    ...changes,
  }
}

const metadata = (changes: Readonly<Record<string, Part>>): Part =>
  instance({
    metadataOptions: {
      ...{ state: 'applied', httpTokens: 'required', httpPutResponseHopLimit: 2, httpEndpoint: 'enabled' },
      ...changes,
    },
  })

/** What the Terraform module makes. */
function healthy(): Account {
  return {
    caller: { Arn: `arn:aws:iam::${account}:user/ada`, Account: account },
    instances: [instance(), instance({ instanceId: 'i-0aaaaaaaaaaaaaaa1', tagSet: '', ipAddress: '127.0.0.9' })],
    securityGroups: [group([open('tcp', 8001, 8001), open('tcp', 8080, 8080)])],
    instanceProfiles: {
      'parley-dev': {
        InstanceProfileName: 'parley-dev',
        Roles: members([{ RoleName: 'parley-dev-role', Arn: roleArn }]),
      },
    },
    roles: { 'parley-dev-role': { RoleName: 'parley-dev-role', Arn: roleArn } },
    decisions: Object.fromEntries(serverActions.map(action => [action, { EvalDecision: 'allowed' }])),
    forbidden: {},
    answers: {},
  }
}

/** The server's own variables, and where AWS is. */
const environment = (): Record<string, string> => ({
  COGNITO_REGION: region,
  COGNITO_USER_POOL_ID: pool.userPoolId,
  COGNITO_APP_CLIENT_ID: pool.clientId,
  AWS_ENDPOINT_URL: plane.url,
  AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: cognito.url,
  AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
})

/** Where the SDK looks for credentials: in the environment of this process. Undone with the test. */
function withCredentials(credentials: Readonly<Record<string, string | undefined>>): void {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_EC2_METADATA_DISABLED', 'AWS_PROFILE', 'HOME']
  const before = names.map(name => [name, process.env[name]] as const)
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const [name, value] of Object.entries(credentials)) set(name, value)
  onTestFinished(() => {
    for (const [name, value] of before) set(name, value)
  })
}

interface Examination {
  readonly options?: AwsOptions
  readonly env?: Readonly<Record<string, string>>
}

async function examined({ options = {}, env = {} }: Examination = {}): Promise<readonly CheckResult[]> {
  withCredentials({ AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'the secret key' })
  const all = { ...environment(), ...env }
  const results: CheckResult[] = []
  const packages = await awsPackages()
  for await (const result of examineAws({ target: awsTarget(options, all), packages, env: all })) results.push(result)
  expect(JSON.stringify(results)).not.toContain('the secret key')
  for (const { status, code, advice } of results) {
    // Whoever is told that something is wrong is told what to do.
    if (status === 'failed' || status === 'warning')
      expect([code, advice]).toEqual([expect.any(String), expect.any(String)])
    if (code !== undefined) expect(awsCodes as readonly string[]).toContain(code)
  }
  return results
}

const named = (results: readonly CheckResult[], name: string) => results.find(result => result.name === name)

/** What is not as it should be, by its name. */
const faults = (results: readonly CheckResult[]) =>
  Object.fromEntries(
    results
      .filter(({ status }) => status !== 'ok')
      .map(({ name, status, code }) => [name, `${status} ${code ?? ''}`.trim()]),
  )

describe('a deployment as the Terraform module makes it', () => {
  test('is told from first to last, and nothing of it is changed', async () => {
    const results = await examined()
    expect(faults(results)).toEqual({})
    expect(results.map(({ name }) => name)).toEqual([
      ...['credentials', 'user pool', 'sign-up', 'user names', 'attributes', 'passwords', 'MFA', 'triggers', 'devices'],
      ...['threats', 'app client', 'secret', 'password flow', 'refresh flow', 'table', 'table key', 'TTL'],
      ...['instance', 'state', 'address', 'metadata', 'security group', '8001/tcp', '8080/tcp', 'outbound', 'role'],
      'permissions',
    ])
    expect(summary(results)).toEqual({ sentence: 'Everything works.', exitCode: 0 })
    const asked = [...cognito.seen, ...dynamodb.seen, ...plane.calls.map(({ operation }) => operation)]
    for (const operation of asked) expect(operation).toMatch(/^(Describe|Get|Simulate)/)
    expect(await emulator.usernames(pool.userPoolId)).toEqual([])
  })

  test('is asked for by signed requests, each for its service and region', async () => {
    const before = plane.calls.length
    await examined({ options: { region: 'eu-central-1', pool: pool.userPoolId.replace('us-east-1', 'eu-central-1') } })
    const scopes = new Map(
      plane.calls.slice(before).map(({ operation, scope }) => [operation, scope.replace(/^\d+/, '')]),
    )
    expect(scopes.get('DescribeInstances')).toBe('/eu-central-1/ec2')
    // IAM is in one region.
    expect([...scopes.values()].filter(scope => scope.endsWith('/iam'))[0]).toBe('/us-east-1/iam')
  })

  test('may be one whose rooms alone are in DynamoDB', async () => {
    const env = {
      PARLEY_IDENTITY: 'local',
      PARLEY_ROOM_STORE: 'dynamodb',
      COGNITO_USER_POOL_ID: '',
      COGNITO_APP_CLIENT_ID: '',
    }
    const results = await examined({ env })
    expect(faults(results)).toEqual({ 'user pool': 'skipped' })
    expect(named(results, 'permissions')?.detail).not.toContain('cognito')
  })
})

/** A pool of its own with these properties, and a client. */
async function poolWith(properties: object, client: object = {}): Promise<{ options: AwsOptions; clientId: string }> {
  const { UserPool } = (await emulator.call('CreateUserPool', { PoolName: 'other', ...properties })) as {
    UserPool: { Id: string }
  }
  const { UserPoolClient } = (await emulator.call('CreateUserPoolClient', {
    ...{ UserPoolId: UserPool.Id, ClientName: 'other' },
    ...{ ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'] },
    ...client,
  })) as { UserPoolClient: { ClientId: string } }
  const { ClientId: clientId } = UserPoolClient
  return { options: { pool: UserPool.Id, client: clientId }, clientId }
}

describe('a user pool', () => {
  test.each([
    [
      'that only administrators fill',
      'sign-up',
      { AdminCreateUserConfig: { AllowAdminCreateUserOnly: true } },
      'failed SIGN_UP_OFF',
    ],
    ['of mail addresses', 'user names', { UsernameAttributes: ['email'] }, 'failed USERNAME_IS_CONTACT'],
    [
      'that wants a mail address',
      'attributes',
      { Schema: [{ Name: 'email', Required: true }] },
      'failed ATTRIBUTES_REQUIRED',
    ],
    ['with a second factor', 'MFA', { MfaConfiguration: 'ON' }, 'failed MFA_REQUIRED'],
    [
      'with functions',
      'triggers',
      { LambdaConfig: { PreSignUp: 'arn:aws:lambda:us-east-1:1:function:f' } },
      'warning LAMBDA_TRIGGERS',
    ],
    [
      'that remembers devices',
      'devices',
      { DeviceConfiguration: { ChallengeRequiredOnNewDevice: false } },
      'warning DEVICES_REMEMBERED',
    ],
    [
      'that blocks by risk',
      'threats',
      { UserPoolAddOns: { AdvancedSecurityMode: 'ENFORCED' } },
      'warning THREAT_PROTECTION',
    ],
  ])('%s is told so', async (_, name, properties, expected) => {
    const { options } = await poolWith(properties)
    expect(faults(await examined({ options }))).toEqual({ [name]: expected })
  })

  test('whose passwords must be longer than those of the server is told so', async () => {
    // AWS allows 99 at most, and may allow more one day.
    const { options } = await poolWith({ Policies: { PasswordPolicy: { MinimumLength: 101 } } })
    expect(faults(await examined({ options }))).toEqual({ passwords: 'failed PASSWORD_TOO_SHORT' })
  })

  test('may have what does no harm', async () => {
    const { options } = await poolWith({
      ...{ MfaConfiguration: 'OPTIONAL', AliasAttributes: ['email'], AutoVerifiedAttributes: ['email'] },
      ...{
        UserPoolAddOns: { AdvancedSecurityMode: 'AUDIT' },
        LambdaConfig: { CustomMessage: 'arn:aws:lambda:us-east-1:1:function:f' },
      },
      ...{ Policies: { PasswordPolicy: { MinimumLength: 99, RequireSymbols: true, RequireUppercase: true } } },
    })
    expect(faults(await examined({ options }))).toEqual({})
  })

  test('that is not there is told once, with what it is for', async () => {
    const results = await examined({ options: { pool: 'us-east-1_nobodys' } })
    expect(named(results, 'user pool')).toMatchObject({
      ...{ status: 'failed', code: 'POOL_NOT_FOUND' },
      detail: 'There is no user pool us-east-1_nobodys in us-east-1 in this account.',
      advice: expect.stringContaining('COGNITO_USER_POOL_ID'),
    })
    expect(named(results, 'sign-up')).toMatchObject({ status: 'skipped', detail: 'It needs “user pool”.' })
    expect(summary(results)).toMatchObject({ exitCode: 1 })
  })

  test('of another region than the one that is said is told without asking', async () => {
    const results = await examined({ env: { COGNITO_REGION: 'eu-west-1' } })
    expect(named(results, 'user pool')).toMatchObject({
      code: 'POOL_IN_OTHER_REGION',
      advice: 'Set COGNITO_REGION=us-east-1.',
    })
  })
})

describe('an app client', () => {
  test('with a secret is told so, without the secret', async () => {
    const { options, clientId } = await poolWith({}, { GenerateSecret: true })
    const results = await examined({ options })
    expect(faults(results)).toEqual({ secret: 'failed CLIENT_HAS_SECRET' })
    const { UserPoolClient } = (await emulator.call('DescribeUserPoolClient', {
      UserPoolId: options.pool,
      ClientId: clientId,
    })) as {
      UserPoolClient: { ClientSecret: string }
    }
    expect(JSON.stringify(results)).not.toContain(UserPoolClient.ClientSecret)
  })

  test.each([
    [
      'without passwords',
      ['ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
      { 'password flow': 'failed PASSWORD_FLOW_OFF' },
    ],
    ['without refresh tokens', ['ALLOW_USER_PASSWORD_AUTH'], { 'refresh flow': 'warning REFRESH_FLOW_OFF' }],
    ['with the flows of before 2019', ['USER_PASSWORD_AUTH'], {}],
    // API reference, CreateUserPoolClient: then it is SRP, custom and refresh.
    ['with no flows at all', undefined, { 'password flow': 'failed PASSWORD_FLOW_OFF' }],
  ])('%s is told so', async (_, ExplicitAuthFlows, expected) => {
    const { options } = await poolWith({}, { ExplicitAuthFlows })
    expect(faults(await examined({ options }))).toEqual(expected)
  })

  test('that rotates refresh tokens is told so', async () => {
    cognito.overlays = { DescribeUserPoolClient: { UserPoolClient: { RefreshTokenRotation: { Feature: 'ENABLED' } } } }
    expect(faults(await examined())).toEqual({ 'refresh flow': 'warning REFRESH_ROTATION' })
  })

  test('of another pool is not there', async () => {
    const { clientId } = await poolWith({})
    const results = await examined({ options: { client: clientId } })
    expect(named(results, 'app client')).toMatchObject({ status: 'failed', code: 'CLIENT_NOT_FOUND' })
    expect(named(results, 'secret')).toMatchObject({ status: 'skipped', detail: 'It needs “app client”.' })
  })
})

describe('a table', () => {
  test('that is not there is told so, with the command that makes it', async () => {
    const results = await examined({ env: { PARLEY_DYNAMODB_TABLE: 'chambers' } })
    expect(named(results, 'table')).toMatchObject({ status: 'failed', code: 'TABLE_NOT_FOUND' })
    expect(named(results, 'table')?.advice).toContain('create-table --region us-east-1 --table-name chambers')
  })

  test.each([
    ['number', [{ AttributeName: 'room_id', AttributeType: 'N' }], [{ AttributeName: 'room_id', KeyType: 'HASH' }]],
    ['name', [{ AttributeName: 'id', AttributeType: 'S' }], [{ AttributeName: 'id', KeyType: 'HASH' }]],
    [
      'sort-key',
      [
        { AttributeName: 'room_id', AttributeType: 'S' },
        { AttributeName: 'created', AttributeType: 'S' },
      ],
      [
        { AttributeName: 'room_id', KeyType: 'HASH' },
        { AttributeName: 'created', KeyType: 'RANGE' },
      ],
    ],
  ])('with another key (%s) is told so', async (name, AttributeDefinitions, KeySchema) => {
    const TableName = `rooms-${name}-${randomUUID()}`
    await dynalite.call('CreateTable', { TableName, AttributeDefinitions, KeySchema, BillingMode: 'PAY_PER_REQUEST' })
    dynamodb.overlays = { ...dynamodb.overlays, DescribeTable: { Table: { TableStatus: 'ACTIVE' } } }
    const results = await examined({ options: { table: TableName } })
    expect(faults(results)).toEqual({ 'table key': 'failed TABLE_KEY' })
  })

  test.each(['CREATING', 'DELETING', 'ARCHIVED', 'INACCESSIBLE_ENCRYPTION_CREDENTIALS'])(
    'that is %s is told so',
    async TableStatus => {
      dynamodb.overlays = { ...dynamodb.overlays, DescribeTable: { Table: { TableStatus } } }
      expect(named(await examined(), 'table')).toMatchObject({ status: 'failed', code: 'TABLE_NOT_ACTIVE' })
    },
  )

  test('that is being changed takes rooms', async () => {
    dynamodb.overlays = { ...dynamodb.overlays, DescribeTable: { Table: { TableStatus: 'UPDATING' } } }
    expect(faults(await examined())).toEqual({})
  })

  test.each([
    ['off', { TimeToLiveStatus: 'DISABLED' }, 'warning TTL_OFF'],
    ['going off', { TimeToLiveStatus: 'DISABLING', AttributeName: 'expires_at' }, 'warning TTL_OFF'],
    ['of another attribute', { TimeToLiveStatus: 'ENABLED', AttributeName: 'ttl' }, 'warning TTL_OTHER_ATTRIBUTE'],
  ])('whose time to live is %s is told so', async (_, description, expected) => {
    dynamodb.overlays = ttl(description)
    expect(faults(await examined())).toEqual({ TTL: expected })
  })
})

describe('an instance', () => {
  test('is found by the address of the server, by its id, or by the tag of the module', async () => {
    for (const options of [
      { url: 'http://127.0.0.9:8001' },
      { instance: 'i-0aaaaaaaaaaaaaaa1' },
    ] satisfies AwsOptions[]) {
      expect(named(await examined({ options }), 'instance')?.detail).toBe('It is i-0aaaaaaaaaaaaaaa1 in us-east-1.')
    }
    expect(named(await examined(), 'instance')?.detail).toBe(`It is ${instanceId} in us-east-1.`)
    plane.account.instances = [instance(), instance({ instanceId: 'i-0bbbbbbbbbbbbbbb2' })]
    expect(named(await examined(), 'instance')).toMatchObject({ status: 'skipped', code: 'NO_INSTANCE' })
    expect(named(await examined(), 'instance')?.detail).toContain('i-0bbbbbbbbbbbbbbb2')
  })

  test('that is not there is told so; without one, the rest is', async () => {
    const results = await examined({ options: { instance: 'i-0fffffffffffffff0' } })
    expect(named(results, 'instance')).toMatchObject({ status: 'failed', code: 'INSTANCE_NOT_FOUND' })
    plane.account.instances = []
    const others = await examined({ options: { url: 'https://127.0.0.1' } })
    expect(named(others, 'instance')).toMatchObject({ status: 'skipped', code: 'NO_INSTANCE' })
    expect(named(others, '443/tcp')).toMatchObject({ status: 'skipped', detail: 'It needs “instance”.' })
    expect(summary(others)).toMatchObject({ exitCode: 0, sentence: expect.stringContaining('could not be checked') })
  })

  test.each([
    [
      'that is stopped',
      instance({ instanceState: { code: 80, name: 'stopped' } }),
      { state: 'failed INSTANCE_NOT_RUNNING' },
    ],
    ['without a public address', instance({ ipAddress: undefined }), { address: 'warning NO_PUBLIC_ADDRESS' }],
    ['with one hop', metadata({ httpPutResponseHopLimit: 1 }), { metadata: 'failed HOP_LIMIT' }],
    ['with IMDSv1', metadata({ httpTokens: 'optional' }), { metadata: 'warning IMDSV1' }],
    ['without metadata', metadata({ httpEndpoint: 'disabled' }), { metadata: 'failed METADATA_OFF' }],
    ['with many hops', metadata({ httpPutResponseHopLimit: 64 }), {}],
  ])('%s is told so', async (_, changed, expected) => {
    plane.account.instances = [changed]
    expect(faults(await examined())).toEqual(expected)
  })

  test('that the name of the server does not lead to is told so', async () => {
    plane.account.instances = [instance({ ipAddress: '203.0.113.7' })]
    const results = await examined({ options: { url: 'http://127.0.0.1:8001', instance: instanceId } })
    expect(faults(results)).toEqual({ address: 'warning ADDRESS_DIFFERS' })
  })
})

describe('a security group', () => {
  test.each([
    ['without the WebSocket', {}, [open('tcp', 8001, 8001)], { '8080/tcp': 'failed PORT_CLOSED' }],
    [
      'that opens UDP only',
      {},
      [open('udp', 8001, 8080)],
      { '8001/tcp': 'failed PORT_CLOSED', '8080/tcp': 'failed PORT_CLOSED' },
    ],
    ['without any rule', {}, [], { '8001/tcp': 'failed PORT_CLOSED', '8080/tcp': 'failed PORT_CLOSED' }],
    ['that opens more', {}, [open('tcp', 0, 65_535)], {}],
    ['that opens all', {}, [allOut], {}],
    ['for some networks only', {}, [open('tcp', 8001, 8080, '198.51.100.0/24')], {}],
    ['with ports of its own', { url: 'http://127.0.0.1:80', ws: 'ws://127.0.0.1:81' }, [open('tcp', 80, 81)], {}],
    ['with a domain', { url: 'https://127.0.0.1' }, [open('tcp', 443, 443), open('tcp', 80, 80)], {}],
    [
      'with a domain, without 80',
      { url: 'https://127.0.0.1' },
      [open('tcp', 443, 443)],
      { '80/tcp': 'failed PORT_CLOSED' },
    ],
    [
      'with a domain, and 80 for some',
      { url: 'https://127.0.0.1' },
      [open('tcp', 443, 443), open('tcp', 80, 80, '198.51.100.0/24')],
      { '80/tcp': 'warning PORT_RESTRICTED' },
    ],
  ] as [string, AwsOptions, Part[], Record<string, string>][])(
    '%s is told so',
    async (_, options, inbound, expected) => {
      plane.account.securityGroups = [group(inbound)]
      expect(faults(await examined({ options }))).toEqual(expected)
    },
  )

  test('may be several, also of other interfaces', async () => {
    const networkInterfaceSet = items([{ groupSet: items([{ groupId: 'sg-2' }]) }])
    plane.account.instances = [instance({ networkInterfaceSet })]
    plane.account.securityGroups = [group([open('tcp', 8001, 8001)]), group([open('tcp', 8080, 8080)], [], 'sg-2')]
    expect(faults(await examined())).toEqual({})
  })

  const web = [open('tcp', 8001, 8001), open('tcp', 8080, 8080)]
  const turn = [open('udp', 3478, 3478), open('tcp', 3478, 3478)]

  test.each([
    ['an option', { turn: true }, {}],
    ['TURN_HOST', {}, { TURN_HOST: '127.0.0.1' }],
    [
      'PARLEY_TURN_URLS',
      {},
      { PARLEY_TURN_URLS: 'turn:127.0.0.1:3478?transport=udp,turn:127.0.0.1:3478?transport=tcp' },
    ],
  ] as [string, AwsOptions, Record<string, string>][])(
    'opens what a TURN server needs, known by %s',
    async (_, options, env) => {
      const closed = {
        '3478/udp': 'failed PORT_CLOSED',
        '3478/tcp': 'failed PORT_CLOSED',
        '49152-49651/udp': 'failed PORT_CLOSED',
      }
      expect(faults(await examined({ options, env }))).toEqual(closed)
      plane.account.securityGroups = [group([...web, ...turn, open('udp', 49152, 49300)])]
      expect(faults(await examined({ options, env }))).toEqual({ '49152-49651/udp': 'failed PORT_CLOSED' })
      plane.account.securityGroups = [group([...web, ...turn, open('udp', 49301, 65_535), open('udp', 49152, 49300)])]
      expect(faults(await examined({ options, env }))).toEqual({})
    },
  )

  test('opens nothing for a TURN server that is elsewhere', async () => {
    expect(faults(await examined({ env: { TURN_HOST: '203.0.113.9' } }))).toEqual({})
  })

  test.each([
    ['nothing', [], 'failed OUTBOUND_CLOSED'],
    ['UDP', [open('udp', 0, 65_535)], 'failed OUTBOUND_CLOSED'],
    ['HTTPS', [open('tcp', 443, 443)], undefined],
  ])('that lets %s out is told so', async (_, outbound, expected) => {
    plane.account.securityGroups = [group(web, outbound)]
    expect(faults(await examined()).outbound).toBe(expected as string)
  })
})

describe('a role', () => {
  test('that may not do all is told what it may not, and why', async () => {
    plane.account.decisions = {
      ...plane.account.decisions,
      'dynamodb:BatchGetItem': { EvalDecision: 'implicitDeny' },
      'cognito-idp:AdminDeleteUser': { EvalDecision: 'explicitDeny' },
    }
    const results = await examined()
    expect(faults(results)).toEqual({ permissions: 'failed PERMISSION_MISSING' })
    expect(named(results, 'permissions')?.detail).toBe(
      `${roleArn} may not call cognito-idp:AdminDeleteUser (denied by a policy), dynamodb:BatchGetItem.`,
    )
    expect(named(results, 'permissions')?.advice).toContain(
      `dynamodb:BatchGetItem on arn:aws:dynamodb:us-east-1:${account}:table/rooms`,
    )
    const simulated = plane.calls.filter(({ operation }) => operation === 'SimulatePrincipalPolicy').slice(-2)
    expect(simulated.map(({ parameters }) => parameters.get('PolicySourceArn'))).toEqual([roleArn, roleArn])
    expect(simulated.map(({ parameters }) => parameters.get('ResourceArns.member.1')).sort()).toEqual([
      `arn:aws:cognito-idp:us-east-1:${account}:userpool/${pool.userPoolId}`,
      `arn:aws:dynamodb:us-east-1:${account}:table/rooms`,
    ])
  })

  test('whose conditions are not known is told so', async () => {
    const unsure = { EvalDecision: 'implicitDeny', MissingContextValues: members(['aws:SourceVpce']) }
    plane.account.decisions = { ...plane.account.decisions, 'dynamodb:GetItem': unsure }
    expect(faults(await examined())).toEqual({ permissions: 'warning PERMISSION_UNSURE' })
  })

  test('that the organization or a boundary keeps from it is told so', async () => {
    const denied = { EvalDecision: 'implicitDeny', OrganizationsDecisionDetail: { AllowedByOrganizations: false } }
    plane.account.decisions = { ...plane.account.decisions, 'dynamodb:GetItem': denied }
    expect(named(await examined(), 'permissions')?.detail).toContain('(not allowed by the organization)')
  })

  test('that an instance has not is told so', async () => {
    plane.account.instances = [instance({ iamInstanceProfile: undefined })]
    const results = await examined()
    expect(faults(results)).toEqual({ role: 'failed NO_ROLE', permissions: 'skipped' })
    plane.account.instances = [instance()]
    plane.account.instanceProfiles = { 'parley-dev': { InstanceProfileName: 'parley-dev', Roles: members([]) } }
    expect(faults(await examined())).toEqual({ role: 'failed NO_ROLE', permissions: 'skipped' })
  })

  test('may be named, or be that of whoever asks', async () => {
    expect(named(await examined({ options: { role: 'parley-dev-role' } }), 'role')?.detail).toBe(`It is ${roleArn}.`)
    expect(named(await examined({ options: { role: 'nobodys' } }), 'role')).toMatchObject({ code: 'ROLE_NOT_FOUND' })
    const pathArn = `arn:aws:iam::${account}:role/teams/server/app`
    plane.account.instances = []
    plane.account.roles = { app: { RoleName: 'app', Arn: pathArn } }
    plane.account.caller = { Arn: `arn:aws:sts::${account}:assumed-role/app/session`, Account: account }
    const results = await examined()
    expect(named(results, 'permissions')?.detail).toStartWith(`${pathArn} (whose credentials these are) may do`)
    // It may not be the server's at all; an instance's is, by the name of its session.
    plane.account.decisions = {}
    const denied = 'PERMISSION_MISSING'
    expect(faults(await examined())).toMatchObject({ permissions: `warning ${denied}` })
    plane.account.caller = { Arn: `arn:aws:sts::${account}:assumed-role/app/${instanceId}`, Account: account }
    expect(faults(await examined())).toMatchObject({ permissions: `failed ${denied}` })
    expect(faults(results)).toEqual({ instance: 'skipped NO_INSTANCE', ...noInstance })
  })

  const noInstance = Object.fromEntries(
    ['state', 'address', 'metadata', 'security group', '8001/tcp', '8080/tcp', 'outbound'].map(name => [
      name,
      'skipped',
    ]),
  )
})

describe('credentials', () => {
  const permissions = {
    DescribeUserPool: 'user pool',
    DescribeUserPoolClient: 'app client',
    DescribeTable: 'table',
    DescribeTimeToLive: 'TTL',
    DescribeInstances: 'instance',
    DescribeSecurityGroups: 'security group',
    GetInstanceProfile: 'role',
    SimulatePrincipalPolicy: 'permissions',
  }

  test.each(Object.entries(permissions))(
    'that lack %s leave that unchecked, and nothing else fails',
    async (operation, name) => {
      const type = 'AccessDeniedException'
      Object.assign(cognito, { errors: { [operation]: { type } } })
      Object.assign(dynamodb, { errors: { [operation]: { type: `com.amazon.coral.service#${type}` } } })
      plane.account.forbidden = {
        [operation]: operation.startsWith('Describe') ? 'UnauthorizedOperation' : 'AccessDenied',
      }
      const results = await examined()
      expect(named(results, name)).toMatchObject({ status: 'skipped', code: 'NOT_PERMITTED' })
      expect(named(results, name)?.detail).toMatch(new RegExp(`that needs [\\w-]+:${operation}, which is not allowed`))
      expect(results.filter(({ status }) => status === 'failed')).toEqual([])
      expect(summary(results)).toMatchObject({
        exitCode: 0,
        sentence: 'Nothing is wrong in what was checked. 1 thing could not be checked.',
      })
    },
  )

  test('that may not simulate policies are told which actions the role needs', async () => {
    plane.account.forbidden = { SimulatePrincipalPolicy: 'AccessDenied' }
    const advice = named(await examined(), 'permissions')?.advice
    for (const action of serverActions) expect(advice).toContain(action)
  })

  test('that are not there are told once', async () => {
    const HOME = await newFolder()
    const run = examined({})
    withCredentials({
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME,
    })
    const results = await run
    expect(results.filter(({ status }) => status === 'failed').map(({ name, code }) => [name, code])).toEqual([
      ['credentials', 'NO_CREDENTIALS'],
    ])
    expect(summary(results)).toMatchObject({
      exitCode: 1,
      sentence: expect.stringContaining('Begin with “credentials”'),
    })
  })

  test.each(['InvalidClientTokenId', 'ExpiredToken', 'SignatureDoesNotMatch'])(
    'that are refused (%s) are told once',
    async code => {
      plane.account.forbidden = { GetCallerIdentity: code }
      const results = await examined()
      expect(results.filter(({ status }) => status === 'failed').map(each => [each.name, each.code])).toEqual([
        ['credentials', 'CREDENTIALS_REFUSED'],
      ])
    },
  )

  test('that are signed by a clock that is wrong are told so', async () => {
    const date = new Date(Date.now() + 12 * 60_000).toUTCString()
    const body =
      '<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired: now earlier</Message></Error></ErrorResponse>'
    plane.account.answers = { GetCallerIdentity: { status: 403, body, headers: { date } } }
    const results = await examined()
    expect(named(results, 'credentials')).toMatchObject({ status: 'failed', code: 'CLOCK_OFF' })
    expect(named(results, 'credentials')?.detail).toContain('12 minutes behind')
  })

  test('whose owner cannot be asked for do all the same', async () => {
    const AWS_ENDPOINT_URL_STS = `http://127.0.0.1:${await closedPort()}`
    const results = await examined({ env: { AWS_ENDPOINT_URL_STS } })
    expect(faults(results)).toEqual({ credentials: 'skipped UNREACHABLE' })
  })
})

describe('a service', () => {
  test('that cannot be reached is told so, and the others are asked', async () => {
    const AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${await closedPort()}`
    const results = await examined({ env: { AWS_ENDPOINT_URL_DYNAMODB } })
    expect(faults(results)).toEqual({ table: 'failed UNREACHABLE', 'table key': 'skipped', TTL: 'failed UNREACHABLE' })
  })

  test('whose endpoint is no URL is told so, with the variable', async () => {
    const results = await examined({ env: { AWS_ENDPOINT_URL_EC2: 'localhost:4566' } })
    expect(faults(results)).toMatchObject({ instance: 'failed UNREACHABLE' })
    expect(named(results, 'instance')?.detail).toBe('AWS_ENDPOINT_URL_EC2 is no http: or https: URL.')
  })

  test('that answers with what nobody expects is told so', async () => {
    cognito.errors = {
      DescribeUserPool: { type: 'InvalidParameterException', message: '1 validation error\ndetected.' },
    }
    plane.account.answers = { DescribeInstances: { status: 200, body: '<html>Sign in to the Wi-Fi' } }
    const results = await examined()
    expect(named(results, 'user pool')).toMatchObject({
      ...{ status: 'failed', code: 'AWS_REFUSED' },
      detail: 'cognito-idp answers DescribeUserPool with InvalidParameterException: 1 validation error detected.',
    })
    expect(named(results, 'instance')).toMatchObject({ status: 'failed', code: 'AWS_REFUSED' })
  })

  test('that is busy for a moment is asked again', async () => {
    let refusals = 2
    const busy = Bun.serve({
      ...{ port: 0, hostname: '127.0.0.1' },
      async fetch(request) {
        if (refusals-- > 0)
          return Response.json({ __type: 'ThrottlingException', message: 'Rate exceeded' }, { status: 400 })
        return fetch(dynamodb.url, { method: 'POST', headers: request.headers, body: await request.text() })
      },
    })
    onTestFinished(() => busy.stop(true))
    expect(faults(await examined({ env: { AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${busy.port}` } }))).toEqual({})
  })
})

describe('parley doctor --aws', () => {
  beforeAll(buildCli)
  const keys = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'the secret key' }
  const bare = {
    COGNITO_REGION: '',
    COGNITO_USER_POOL_ID: '',
    COGNITO_APP_CLIENT_ID: '',
    AWS_REGION: '',
    AWS_DEFAULT_REGION: '',
  }

  for (const runtime of runtimes) {
    test(`ends with 0 or 1, by what it finds, on ${runtime}`, async () => {
      const options = { runtime, home: await newFolder(), env: { ...bare, ...environment(), ...keys } }
      const { code, stdout, stderr } = await runCli(options, 'doctor', '--aws', '--json')
      const events: CliEvent[] = stdout.map(line => JSON.parse(line))
      expect([code, stderr, events.filter(({ status }) => status && status !== 'ok')]).toEqual([0, '', []])
      expect(events.at(-2)).toMatchObject({ event: 'summary', text: 'Everything works.', exit_code: 0 })

      plane.account.instances = [metadata({ httpPutResponseHopLimit: 1 })]
      const wrong = await runCli(options, 'doctor', '--aws', 'http://127.0.0.1:8001')
      const text = wrong.stdout.join('\n')
      expect([wrong.code, text]).toEqual([
        1,
        expect.stringContaining('(HOP_LIMIT)\n  → Raise it to 2: aws ec2 modify-instance-metadata-options'),
      ])
      expect(text).toEndWith('1 thing does not work. Begin with “metadata”.')
    })
  }

  test('says what it needs to know, with 2', async () => {
    const run = async (env: Record<string, string>, ...args: string[]) => {
      const { code, stderr } = await runCli(
        { runtime: 'bun', home: await newFolder(), env: { ...bare, ...keys, ...env } },
        'doctor',
        ...args,
      )
      expect(code).toBe(2)
      return stderr
    }
    expect(await run({}, '--aws')).toContain('Which region? Give --region, or COGNITO_REGION')
    expect(await run({ COGNITO_REGION: region }, '--aws')).toContain(
      'Which user pool? Give --pool, or COGNITO_USER_POOL_ID',
    )
    expect(await run({}, '--aws', '--pool', 'us-east-1_abc')).toContain(
      'Which app client? Give --client, or COGNITO_APP_CLIENT_ID',
    )
    expect(await run(environment(), '--aws', '--instance', 'parley')).toContain('“parley” is no instance')
    expect(await run(environment(), '--aws', '--region', 'Frankfurt')).toContain('“Frankfurt” is no region of AWS')
    expect(await run(environment(), '--aws', '--relay-ports', '9-1')).toContain('--relay-ports must be a range')
    expect(await run(environment(), 'http://127.0.0.1:8001', '--pool', 'x')).toContain('--pool goes with --aws')
  })
})

test('every code is explained in docs/doctor-aws.md', async () => {
  const page = await readFile(join(root, 'docs/doctor-aws.md'), 'utf8')
  const explained = [...page.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, code]) => code)
  expect(explained.toSorted()).toEqual([...awsCodes].toSorted())
})

/** Where nobody listens: a port that was free just now. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
