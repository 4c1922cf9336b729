import { afterAll, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signIn } from './api.ts'
import { type Aws, startAws } from './aws/set-up.ts'
import { startOpenIdProvider } from './oidc/openid-provider.ts'
import { root, startParley } from './parley-process.ts'

let aws: Aws
beforeAll(async () => {
  aws = await startAws()
})
afterAll(() => aws.stop())

interface Outcome {
  readonly code: number
  readonly stdout: string
  /** Its lines. */
  readonly stderr: readonly string[]
}

/** Runs the server's program with these words, and nothing but these settings. */
async function run(words: readonly string[], settings: Readonly<Record<string, string>>): Promise<Outcome> {
  const command = [join(root, 'node_modules/.bin/bun'), 'server/src/main.ts', ...words]
  const env = { PATH: process.env.PATH, AWS_EC2_METADATA_DISABLED: 'true', ...settings }
  const child = Bun.spawn(command, { cwd: root, env, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr: stderr.split('\n').filter(Boolean) }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-check-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** All that is in a folder, with times. */
async function contents(folder: string) {
  const names = (await readdir(folder)).toSorted()
  const all = [folder, ...names.map(name => join(folder, name))]
  return Promise.all(all.map(async path => [path, (await stat(path)).mtimeMs, (await stat(path)).mode]))
}

test('a check says what the server would be, beside one that runs on the same ports and folder, and touches neither', async () => {
  const running = await startParley({ command: 'bun', settings: { PARLEY_STUN_URLS: 'stun:stun.example.com' } })
  await signIn(running.httpUrl)
  await writeFile(join(running.dataDir, 'pending-sign-outs.json'), 'not readable')
  const before = await contents(running.dataDir)
  const ports = { PARLEY_HTTP_PORT: new URL(running.httpUrl).port, PARLEY_WS_PORT: new URL(running.wsUrl).port }
  const settings = { ...ports, PARLEY_DATA_DIR: running.dataDir, PARLEY_STUN_URLS: 'stun:stun.example.com' }
  for (const words of [['check'], ['--check'], ['check', '--services']]) {
    const { code, stdout, stderr } = await run(words, settings)
    expect([code, stderr]).toEqual([0, []])
    expect(stdout).toMatch(/^Parley [\d.]+ would start with these settings\.\n/)
    expect(stdout).toContain(`\n  HTTP API    127.0.0.1, port ${ports.PARLEY_HTTP_PORT}\n`)
    expect(stdout).toContain('\n  ICE servers stun:stun.example.com\n')
  }
  const asOnAws = { ...settings, ...aws.settings }
  expect(await run(['check', '--services'], asOnAws)).toMatchObject({ code: 0, stderr: [] })
  expect(await contents(running.dataDir)).toEqual(before)
  expect((await fetch(`${running.httpUrl}/readyz`)).status).toBe(200)
})

test('a folder that is not there is not made', async () => {
  const folder = join(await newFolder(), 'data', 'of', 'parley')
  expect(await run(['check'], { PARLEY_DATA_DIR: folder })).toMatchObject({ code: 0, stderr: [] })
  expect(stat(join(folder, '../..'))).rejects.toThrow('ENOENT')
})

test('a check tells every fault at once, with 1, where the server would not start', async () => {
  const folder = await newFolder()
  await writeFile(join(folder, 'file'), 'content')
  const settings = {
    PARLEY_DATA_DIR: join(folder, 'file'),
    PARLEY_HTTP_PORT: 'eighty',
    PARLEY_TURN_SECRET: 'one,two,three of them',
    COGNITO_REGION: 'us-east-1',
  }
  const { code, stdout, stderr } = await run(['check'], settings)
  expect([code, stdout]).toEqual([1, ''])
  const sentences = stderr.join('\n')
  for (const variable of ['PARLEY_HTTP_PORT', 'PARLEY_TURN_SECRET', 'COGNITO_USER_POOL_ID', 'PARLEY_DATA_DIR'])
    expect(sentences).toContain(`parley: ${variable}`)
  expect(stderr.at(-1)).toMatch(/^parley: Parley [\d.]+ would not start: \d faults\.$/)
  expect(sentences).not.toContain('three of them')
  // The server says the same, and then ends. It tries to make the folder, so that the system calls it differently.
  const start = await run([], settings)
  const withoutCode = (lines: readonly string[]) => lines.map(line => line.replace(/ \(E[A-Z]+\)/, ''))
  expect([start.code, withoutCode(start.stderr)]).toEqual([1, withoutCode(stderr.slice(0, -1))])
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('content')
})

test('the services of AWS are asked if that is wanted, and no user and no room is made', async () => {
  const PARLEY_DATA_DIR = await newFolder()
  const settings = { ...aws.settings, PARLEY_DATA_DIR }
  const before = aws.cognito.seen.length + aws.dynamodb.seen.length
  const silent = await run(['check'], settings)
  expect([silent.code, aws.cognito.seen.length + aws.dynamodb.seen.length - before]).toEqual([0, 0])
  expect(silent.stdout).toContain(
    `Cognito user pool ${aws.pool.userPoolId}, app client ${aws.pool.clientId}, in us-east-1`,
  )

  const asked = await run(['check', '--services'], settings)
  expect([asked.code, asked.stderr]).toEqual([0, []])
  expect(asked.stdout).toEndWith('  Cognito     answers\n  DynamoDB    answers\n')
  expect(await aws.emulator.usernames(aws.pool.userPoolId)).toEqual([])
  expect(await aws.items()).toEqual([])
  expect(await readdir(PARLEY_DATA_DIR)).toEqual([])
})

test.each([
  [
    'a pool that is not there',
    { COGNITO_USER_POOL_ID: 'us-east-1_nobodys' },
    'Cognito knows no user pool us-east-1_nobodys',
  ],
  ['a table that is not there', { PARLEY_DYNAMODB_TABLE: 'chambers' }, 'The DynamoDB table chambers in us-east-1'],
  ['no credentials', { AWS_ACCESS_KEY_ID: '' }, 'there are no AWS credentials'],
  [
    'no way to Cognito',
    { AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: 'http://127.0.0.1:9' },
    'does not answer for the keys',
  ],
])('%s is told, with 1', async (_, changed, sentence) => {
  const settings = { ...aws.settings, HOME: await newFolder(), PARLEY_DATA_DIR: await newFolder(), ...changed }
  const { code, stdout, stderr } = await run(['check', '--services'], settings)
  expect([code, stderr.length, stderr[0]]).toEqual([1, 1, expect.stringContaining(sentence)])
  expect(stdout).toContain('but something that it needs does not answer')
})

test('the issuer of identities is asked, too', async () => {
  const provider = await startOpenIdProvider()
  onTestFinished(() => provider.stop())
  const oidc = { PARLEY_IDENTITY: 'oidc', PARLEY_OIDC_ISSUER: provider.issuer, PARLEY_OIDC_AUDIENCE: 'parley' }
  const settings = { ...oidc, PARLEY_DATA_DIR: await newFolder() }
  const { code, stdout } = await run(['check', '--services'], settings)
  expect([code, stdout]).toEqual([0, expect.stringContaining(`  ${provider.issuer} answers\n`)])
})

test.each([[['chek']], [['check', 'now']], [['check', '--services', 'now']], [['healthcheck', '--services']]])(
  '%j is not a command, with 2',
  async words => {
    const { code, stdout, stderr } = await run(words, {})
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toEqual([
      expect.stringMatching(/^parley: ".*" is not a command\. There is "healthcheck".* and "check"/),
    ])
  },
)
