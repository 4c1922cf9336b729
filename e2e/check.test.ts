import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'bun:test'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
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
  const running = await startParley({ settings: { PARLEY_STUN_URLS: 'stun:stun.example.com' } })
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

test.each([
  [['chek'], '"chek" is not a command; is check meant?'],
  [['check', 'now'], '"now" is too much: check takes no further word.'],
  [['healthcheck', '--services'], '--services does not go with healthcheck.'],
  [['--config'], '--config needs the path of a settings file.'],
])('%j is a wrong command line, with 2, whatever the settings', async (words, sentence) => {
  const { code, stdout, stderr } = await run(words, { PARLEY_HTTP_PORT: 'eighty' })
  expect([code, stdout, stderr]).toEqual([2, '', [`parley: ${sentence} Try --help.`]])
})

test.each([[['--help']], [['-h']], [['help']], [['check', '--help']]])('%j explains the program', async words => {
  const { code, stdout, stderr } = await run(words, { PARLEY_HTTP_PORT: 'eighty' })
  expect([code, stderr]).toEqual([0, []])
  for (const word of ['check', 'config', 'healthcheck', '--config FILE', '--services', '--json', '--version'])
    expect(stdout).toContain(`\n  ${word} `.replace('--version', '-v, --version'))
})

test('--version prints it alone, whatever the settings', async () => {
  const { code, stdout, stderr } = await run(['--version'], { PARLEY_HTTP_PORT: 'eighty' })
  expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/), []])
})

describe('a settings file', () => {
  async function fileWith(text: string): Promise<string> {
    const path = join(await newFolder(), 'parley.toml')
    await writeFile(path, text, { mode: 0o600 })
    return path
  }

  test('goes behind the environment, and config says where each value comes from', async () => {
    const path = await fileWith(
      'PARLEY_HTTP_PORT = 9000\nPARLEY_WS_PORT = 9001\nTURN_USERNAME = "me"\nTURN_PASSWORD = "not told"\nPARLEY_TURN_URLS = ["turn:a.example", "turn:b.example"]\n',
    )
    const environment = { PARLEY_WS_PORT: '9002', PARLEY_HOST: '' }
    const { code, stdout, stderr } = await run(['config', '--config', path], environment)
    expect([code, stderr]).toEqual([0, []])
    const told = new Map(stdout.split('\n').map(line => [line.split(' ')[0], line.replaceAll(/ {2,}/g, ' | ')]))
    expect(told.get('PARLEY_HOST')).toBe('PARLEY_HOST | default | 127.0.0.1')
    expect(told.get('PARLEY_HTTP_PORT')).toBe(`PARLEY_HTTP_PORT | ${path}, line 1 | 9000`)
    expect(told.get('PARLEY_WS_PORT')).toBe('PARLEY_WS_PORT | environment | 9002')
    expect(told.get('TURN_PASSWORD')).toBe(`TURN_PASSWORD | ${path}, line 4 | (hidden)`)
    expect(told.get('PARLEY_TURN_URLS')).toEndWith('| turn:a.example,turn:b.example')
    const json = await run(['config', '--json', `--config=${path}`], environment)
    const values = JSON.parse(json.stdout)
    expect(values.PARLEY_HTTP_PORT).toEqual({ value: '9000', source: 'file', file: path, line: 1 })
    expect(values.TURN_PASSWORD).toEqual({ value: null, source: 'file', file: path, line: 4, isSet: true })
    expect(stdout + json.stdout).not.toContain('not told')
  })

  test('is what the server starts with', async () => {
    const path = await fileWith('PARLEY_MAX_PEER_ID_LENGTH = "not a number"')
    const start = await run(['--config', path], { PARLEY_DATA_DIR: await newFolder() })
    const sentence = `parley: ${path}, line 1: PARLEY_MAX_PEER_ID_LENGTH must be a whole number`
    expect([start.code, start.stderr]).toEqual([1, [expect.stringContaining(sentence)]])
  })

  test('has its faults told by line, beside those of the environment, all at once', async () => {
    const path = await fileWith('# mine\nhttp_port = 1\nPARLEY_TURN_SECRET = "a,b,c not told"\n[server]\nhost = "x"\n')
    for (const command of ['check', 'config', 'healthcheck']) {
      const { code, stderr } = await run([command, '--config', path], { PARLEY_WS_PORT: 'eighty' })
      const sentences = stderr.join('\n')
      expect(code).toBe(1)
      expect(sentences).toContain(`parley: ${path}, line 2: "http_port" is not a setting; is PARLEY_HTTP_PORT meant?`)
      expect(sentences).toContain(`parley: ${path}, line 3: PARLEY_TURN_SECRET must be one secret, or two`)
      expect(sentences).toContain(`parley: ${path}, line 4: "server" is a table`)
      expect(sentences).toContain('parley: PARLEY_WS_PORT must be')
      expect(sentences).not.toContain('not told')
    }
  })

  test('that is not TOML hides no fault of the environment, and is not quoted', async () => {
    const path = await fileWith('COGNITO_REGION = "us-east-1"\nTURN_PASSWORD = "not told\n')
    const settings = { COGNITO_USER_POOL_ID: 'us-east-1_abc', PARLEY_WS_PORT: 'eighty' }
    const { code, stderr } = await run(['check', '--config', path], settings)
    expect([code, stderr]).toEqual([
      1,
      [
        expect.stringMatching(/^parley: .*parley\.toml, line 2: this is not TOML: /),
        expect.stringContaining('parley: PARLEY_WS_PORT must be'),
        expect.stringContaining('would not start: 2 faults.'),
      ],
    ])
    expect(stderr.join('\n')).not.toContain('not told')
  })

  test('with a secret that every user can read is warned of', async () => {
    const path = await fileWith('TURN_USERNAME="me"\nTURN_PASSWORD="secret"\nTURN_HOST="turn.example"\n')
    const settings = { PARLEY_DATA_DIR: await newFolder() }
    expect((await run(['check', '--config', path], settings)).stderr).toEqual([])
    await chmod(path, 0o644)
    const { code, stderr } = await run(['check', '--config', path], settings)
    expect([code, stderr]).toEqual([0, [expect.stringContaining(`run: chmod o= ${path}`)]])
  })

  test('that is not there is told', async () => {
    const { code, stderr } = await run(['--config', '/nowhere/parley.toml'], {})
    expect([code, stderr]).toEqual([1, ['parley: /nowhere/parley.toml: there is no such file (--config).']])
  })
})

test('config tells a .env file from the environment', async () => {
  const folder = await newFolder()
  await writeFile(join(folder, '.env'), 'PARLEY_HTTP_PORT=9000\nPARLEY_WS_PORT=9001\n')
  const command = [join(root, 'node_modules/.bin/bun'), join(root, 'server/src/main.ts'), 'config', '--json']
  const child = Bun.spawn(command, { cwd: folder, env: { PATH: process.env.PATH, PARLEY_WS_PORT: '9002' } })
  const values = JSON.parse(await new Response(child.stdout).text())
  expect(values.PARLEY_HTTP_PORT).toEqual({ value: '9000', source: 'dotenv' })
  expect(values.PARLEY_WS_PORT).toEqual({ value: '9002', source: 'environment' })
})
