import { expect, onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { serverAddress } from '@parley/client'
import { Authority, type Issued } from '../server/test/authority.ts'
import { python } from './aiortc-process.ts'
import { newFolder, runCli } from './cli-process.ts'
import { needs, runs } from './needs.ts'
import { type ParleyProcess, root, startParley } from './parley-process.ts'
import { startProgram } from './program.ts'
import { webrtcNeeds } from './scenarios.ts'

const openssl = { openssl: runs('openssl', 'version') }
const withOpenssl = needs(openssl)
const withWebRtc = needs({ ...openssl, ...webrtcNeeds, curl: runs('curl', '--version') })
const bun = join(root, 'node_modules/.bin/bun')

/** Says something over a WebSocket, and prints the answer. */
const pythonClient = `
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as socket:
        await socket.send('{}')
        print(await socket.recv())
asyncio.run(main())
`

/** An authority, and the two files of a server, which can be replaced as certbot and Kubernetes do it. */
async function certified(first?: Issued) {
  const folder = await newFolder()
  const authority = Authority.root()
  const issue = () => authority.issue(['DNS:localhost', 'IP:127.0.0.1'])
  const ca = join(folder, 'ca.pem')
  const [cert, key] = [join(folder, 'fullchain.pem'), join(folder, 'privkey.pem')]
  await writeFile(ca, authority.cert)
  let version = 0
  /** Puts links to other files in the place of those that are there. */
  async function replace(next: Issued): Promise<void> {
    for (const [path, text] of [[cert, next.cert] as const, [key, next.key] as const]) {
      const file = `${path}.${++version}`
      await writeFile(file, text, { mode: 0o600 })
      await symlink(file, `${file}.link`)
      await rename(`${file}.link`, path)
    }
  }
  await replace(first ?? issue())
  return { ca, authority, issue, replace, settings: { PARLEY_TLS_CERT: cert, PARLEY_TLS_KEY: key } }
}

/** Serial number of the certificate that is served to a new connection. */
async function servedAt(url: string, ca: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), servername: 'localhost', ca })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

/** Tells the server, as often as it takes, to look at its files, until it logs this. */
async function untilLogged(parley: ParleyProcess, tls: { ca: string }, text: string): Promise<void> {
  while (!parley.stderr.some(line => line.includes(text))) {
    parley.signal('SIGHUP')
    expect((await fetch(`${parley.httpUrl}/livez`, { tls })).status).toBe(200)
  }
}

async function runHealthcheck({ httpUrl }: ParleyProcess) {
  // Their contents do not matter to it.
  const settings = { PARLEY_HTTP_PORT: new URL(httpUrl).port, PARLEY_TLS_CERT: '/a', PARLEY_TLS_KEY: '/b' }
  const program = startProgram({ cwd: root, env: settings }, bun, 'server/src/main.ts', 'healthcheck')
  return program.ended
}

withWebRtc('with a certificate, both ports speak TLS to every kind of client', async () => {
  const { ca, authority, settings } = await certified()
  const parley = await startParley({ settings })
  const { httpUrl, wsUrl } = parley
  expect([httpUrl, wsUrl]).toEqual([
    expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^wss:\/\/127\.0\.0\.1:\d+$/),
  ])
  expect(parley.stdout.join('\n')).toMatch(/TLS {9}certificate for localhost, 127\.0\.0\.1, until \d{4}-/)
  const env = { NODE_EXTRA_CA_CERTS: ca }

  const curl = startProgram({ cwd: root }, 'curl', '--silent', '--show-error', '--cacert', ca, `${httpUrl}/livez`)
  expect((await curl.ended).code).toBe(0)
  // Without TLS there is nothing.
  const plain = startProgram({ cwd: root }, 'curl', '--silent', httpUrl.replace('https', 'http'))
  expect((await plain.ended).code).not.toBe(0)

  // Node, as it is.
  const source = `const WebSocket = require('ws'); const s = new WebSocket(process.argv[1])
    s.on('open', () => s.send('{}')); s.on('message', m => { console.log(String(m)); s.close() })`
  const node = startProgram(
    { cwd: join(root, 'cli'), env },
    'node',
    '-e',
    source,
    `${httpUrl.replace('http', 'ws')}/ws`,
  )
  expect(await node.lines.next()).toContain('"type":"error"')

  const python3 = startProgram({ cwd: root, env: { SSL_CERT_FILE: ca } }, python, '-c', pythonClient, wsUrl)
  expect(await python3.lines.next()).toContain('"type":"error"')

  const tls = { ca: authority.cert }
  const post = async (path: string, headers = {}) =>
    (await fetch(`${httpUrl}${path}`, { method: 'POST', headers, tls })).json() as Promise<Record<string, string>>
  const { id_token } = await post('/anonymous-signin')
  const { room_id: roomId, token } = await post('/create-room', { Authorization: `Bearer ${id_token}` })
  const options = JSON.stringify({ ...serverAddress(httpUrl), roomId, token, peerId: 'ada' })
  const sdk = startProgram({ cwd: root, env }, bun, 'e2e/sdk-program.ts', options)
  expect(JSON.parse(await sdk.lines.next())).toMatchObject({ event: 'joined' })

  const doctor = await runCli({ runtime: 'bun', home: await newFolder(), env }, 'doctor', httpUrl, '--json')
  const checks = doctor.stdout.map(line => JSON.parse(line))
  expect(checks.filter(({ status }) => status === 'failed')).toEqual([])
  expect(checks).toContainEqual(expect.objectContaining({ name: 'signaling', status: 'ok' }))
  const mistaken = httpUrl.replace('https', 'http')
  const { stdout } = await runCli({ runtime: 'bun', home: await newFolder(), env }, 'doctor', mistaken, '--json')
  expect(stdout.map(line => JSON.parse(line)).find(({ name }) => name === 'health')).toMatchObject({
    ...{ status: 'failed', advice: expect.stringContaining('https://') },
  })
  expect(await runHealthcheck(parley)).toMatchObject({ code: 0, stderr: '' })
})

withOpenssl('a certificate that changes is served to new connections, and the open ones stay', async () => {
  const { authority, issue, replace, settings } = await certified()
  const parley = await startParley({ settings })
  const { httpUrl, wsUrl } = parley
  const tls = { ca: authority.cert }
  // Bun's own, with options where a browser's has subprotocols.
  const socket = new WebSocket(wsUrl, { tls } as unknown as string[])
  onTestFinished(() => socket.close())
  await once(socket, 'open')
  const first = await servedAt(httpUrl, authority.cert)

  const next = issue()
  await replace(next)
  await untilLogged(parley, tls, '"TLS certificate renewed"')
  const second = await servedAt(httpUrl, authority.cert)
  expect(second).not.toBe(first)
  expect(await servedAt(wsUrl, authority.cert)).toBe(second)

  // The key of another.
  const other = issue()
  await replace({ cert: other.cert, key: next.key })
  await untilLogged(parley, tls, '"new TLS certificate not taken; the one before stays in force"')
  const [refusal = ''] = parley.stderr.filter(line => line.includes('not taken'))
  expect(JSON.parse(refusal).why).toBe(
    'PARLEY_TLS_KEY: the private key does not belong to the certificate of PARLEY_TLS_CERT.',
  )
  expect(await servedAt(httpUrl, authority.cert)).toBe(second)

  const answered = once(socket, 'message')
  socket.send('{}')
  expect(JSON.parse((await answered)[0].data)).toMatchObject({ type: 'error' })
  const metrics = await fetch(`${httpUrl}/metrics`, { tls })
  expect(await metrics.text()).toMatch(/^parley_tls_certificate_expires_timestamp_seconds \d{10}$/m)

  // As browsers open them in advance: nothing is asked on it.
  const idle = connect({ host: '127.0.0.1', port: Number(new URL(httpUrl).port), servername: 'localhost', ...tls })
  onTestFinished(() => void idle.destroy())
  await once(idle, 'secureConnect')
  expect((await parley.stop()).code).toBe(0)
  expect(parley.stderr.join('\n')).not.toContain('cut off')
  for (const { key } of [next, other]) {
    for (const line of key.split('\n').slice(1, -2)) expect(parley.stderr.join('\n')).not.toContain(line)
  }
})

withOpenssl('what is wrong with a certificate keeps the server from starting, and check says it, too', async () => {
  const { issue, replace, settings } = await certified()
  await replace({ cert: issue().cert, key: issue().key })
  const sentence = 'PARLEY_TLS_KEY: the private key does not belong to the certificate of PARLEY_TLS_CERT.'
  const failure = await startParley({ settings }).catch(error => error)
  expect([failure.code, failure.stderr]).toEqual([1, [`parley: ${sentence}`]])
  const run = async (command: string, env: Record<string, string>) => {
    const program = startProgram({ cwd: root, env }, bun, 'server/src/main.ts', command)
    return program.ended
  }
  const checked = await run('check', settings)
  expect([checked.code, checked.stderr]).toEqual([1, expect.stringContaining(sentence)])
  const { PARLEY_TLS_CERT, PARLEY_TLS_KEY } = settings
  const half = await run('check', { PARLEY_TLS_CERT })
  expect(half.stderr).toContain('PARLEY_TLS_KEY is not set, but PARLEY_TLS_CERT needs it.')
  const missing = await run('check', { PARLEY_TLS_CERT: '/nowhere/a.pem', PARLEY_TLS_KEY: '/proc/self' })
  expect(missing.stderr).toContain('PARLEY_TLS_CERT: there is no file /nowhere/a.pem.')
  expect(missing.stderr).toContain('PARLEY_TLS_KEY: /proc/self is not a file.')

  const { key } = issue()
  const contents = await run('check', { PARLEY_TLS_CERT, PARLEY_TLS_KEY: key })
  expect(contents.stderr).toContain('PARLEY_TLS_KEY must be the path of a file, but is "(hidden)".')
  for (const [value, shown] of [[PARLEY_TLS_KEY, PARLEY_TLS_KEY] as const, [key, '(hidden)'] as const]) {
    const env = { ...settings, PARLEY_TLS_KEY: value }
    const config = startProgram({ cwd: root, env }, bun, 'server/src/main.ts', 'config')
    const line = await config.lines.find(line => line.startsWith('PARLEY_TLS_KEY'))
    expect(line.split(/ +/)).toEqual(['PARLEY_TLS_KEY', 'environment', shown])
  }
})
