import { beforeAll, expect, onTestFinished } from 'bun:test'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { host } from '../release/binary/targets.ts'
import { buildBinary } from '../release/binary.ts'
import { createRoom, signIn } from './api.ts'
import { readCompose, serviceOf } from './compose.ts'
import { buildah, buildImage, containerTools, debian, podman } from './container.ts'
import { runImage, runInImage, startContainer, startProgram } from './container-process.ts'
import { freePorts } from './free-ports.ts'
import { needs } from './needs.ts'
import { root } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { dataChannel, quickReference, webrtcNeeds } from './scenarios.ts'

const withImage = needs(containerTools)
const executable = '/usr/local/bin/parley'
let image = ''
/** Cognito and DynamoDB, emulated. */
let emulated = ''

if (Object.values(containerTools).every(Boolean)) {
  // On a machine that has none of it yet, Debian is put together first.
  beforeAll(async () => {
    image = await buildImage('docker/Dockerfile')
    emulated = await buildImage('docker/aws-emulated/Dockerfile')
  }, 600_000)
}

withImage('the image says how it is run: by whom, on which ports, and how to ask after it', async () => {
  const [{ Config }] = JSON.parse(await podman('inspect', '--type', 'image', image))
  expect(Config).toMatchObject({
    User: '65532:65532',
    ExposedPorts: { '8001/tcp': {}, '8080/tcp': {} },
    Volumes: { '/data': {} },
    Entrypoint: [executable],
    Cmd: ['serve'],
    StopSignal: 'SIGTERM',
  })
  expect(Config.Env).toEqual(expect.arrayContaining(['PARLEY_HOST=0.0.0.0', 'PARLEY_DATA_DIR=/data']))
  const [{ Healthcheck }] = JSON.parse(await podman('inspect', '--type', 'image', image))
  expect(Healthcheck.Test).toEqual(['CMD', executable, 'healthcheck'])
})

withImage('it adds at most 65 MB to its base, compressed', async () => {
  const [own, base] = await Promise.all([compressedSize(image), compressedSize(debian)])
  console.log(`The image adds ${((own - base) / 1e6).toFixed(1)} MB to its base of ${(base / 1e6).toFixed(1)} MB.`)
  expect(own - base).toBeWithin(1, 65e6)
})

withImage('its SBOM lists what is in the executable, and nothing else', async () => {
  const { stdout } = await runInImage(image, '/bin/cat', '/usr/share/doc/parley/sbom.cdx.json')
  const { components } = JSON.parse(stdout) as { components: { name: string; version: string; hashes?: object[] }[] }
  const listed = components.map(({ name, version }) => `${name}@${version}`)
  expect(listed.shift()).toMatch(new RegExp(`^@oven/bun-linux-(x64|aarch64)@${Bun.version}$`))
  expect(listed).toEqual(await bundledPackages())
  const withoutHash = components.filter(({ hashes }) => !hashes).map(({ name }) => name)
  expect(withoutHash).toEqual(['@parley/cli', '@parley/client', '@parley/protocol', '@parley/server'])
})

withImage('it brings the certificates of the authorities that AWS uses', async () => {
  // Any executable of Bun is Bun itself when it is told so.
  const code = `
    const { X509Certificate } = require('node:crypto')
    for (const each of require('node:tls').rootCertificates) console.log(new X509Certificate(each).subject)`
  const { stdout } = await runInImage(image, '/usr/bin/env', 'BUN_BE_BUN=1', executable, '-e', code)
  for (const name of ['Amazon Root CA 1', 'Amazon Root CA 4', 'Starfield Services Root Certificate Authority - G2'])
    expect(stdout).toContain(`CN=${name}`)
})

withImage('its user is nobody in particular and can write to the data only', async () => {
  const script = `
    id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
    for folder in / /tmp /var/tmp /run /usr/local/bin /etc /data; do touch $folder/x 2>/dev/null && echo $folder; done`
  const { stdout } = await runInImage(image, '/bin/sh', '-c', script)
  const [none, one] = ['0000000000000000', '1']
  expect(stdout.split(/\s+/)).toEqual([
    ...['65532', '65532', 'CapEff:', none, 'CapBnd:', none, 'NoNewPrivs:', one, '/data', ''],
  ])
})

withImage('the flows of the quick reference work with a root that cannot be written', async () => {
  const container = await startContainer({ image, settings: { PARLEY_LOG_LEVEL: 'trace' } })
  const secrets = await quickReference(container)
  await container.stop()
  const log = container.log.join('\n')
  expect(log).toContain('peer registered')
  for (const secret of secrets) expect(log).not.toContain(secret)
})

needs({ ...containerTools, ...webrtcNeeds })('a data channel opens through it, and inside it', async () => {
  const container = await startContainer({ image })
  await dataChannel(container)
  const { code, stdout } = await container.exec({ TMPDIR: '/data' }, executable, 'demo')
  expect([code, stdout]).toEqual([0, expect.stringContaining('client  is connected directly')])
})

withImage(
  'its health check is content with a server that answers, and not with one that hangs or is gone',
  async () => {
    const container = await startContainer({ image })
    const settings = { PARLEY_HTTP_PORT: new URL(container.httpUrl).port }
    const check = () => container.exec(settings, executable, 'healthcheck')
    expect(await check()).toEqual({ code: 0, stdout: '', stderr: '' })

    process.kill(container.pid, 'SIGSTOP')
    const hung = await check()
    process.kill(container.pid, 'SIGCONT')
    expect([hung.code, hung.stderr]).toEqual([1, expect.stringContaining('does not answer within')])
    // By its name in images that had the server alone.
    expect((await container.exec(settings, `${executable}-server`, 'healthcheck')).code).toBe(0)

    await container.stop()
    const gone = await runImage(image, settings, 'healthcheck')
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('cannot be reached (ECONNREFUSED)')])
  },
)

withImage(
  'a stop lets peers go first, and ends it within 5 s after that, with exit code 0 and every peer closed with 1001',
  async () => {
    expect((await runImage(image, {}, 'config')).stdout).toMatch(/PARLEY_DRAIN_SECONDS\b.*\b20\b/)
    const container = await startContainer({ image, settings: { PARLEY_DRAIN_SECONDS: '1' } })
    const { httpUrl, wsUrl } = container
    const idToken = await signIn(httpUrl)
    const room = await createRoom(httpUrl, idToken)
    const register = (peerId: string) => PlainPeer.register({ wsUrl, peerId, idToken, room })
    const peers = await Promise.all([register('ada'), register('bob')])
    const { code, milliseconds } = await container.stop()
    expect(code).toBe(0)
    expect(milliseconds).toBeGreaterThan(1_000)
    expect(milliseconds).toBeLessThan(6_000)
    expect(await Promise.all(peers.map(({ closed }) => closed))).toEqual([1001, 1001])
  },
)

withImage('rooms and ID tokens survive a new container on the same volume', async () => {
  const volume = `parley-${randomUUID()}`
  onTestFinished(async () => void (await podman('volume', 'rm', '--force', volume)))
  const before = await startContainer({ image, volume })
  const idToken = await signIn(before.httpUrl)
  const room = await createRoom(before.httpUrl, idToken)
  await before.stop()

  const { wsUrl } = await startContainer({ image, volume })
  const peer = await PlainPeer.register({ wsUrl, peerId: 'me', idToken, room })
  expect(peer.registration.room_id).toBe(room.room_id)
})

withImage('it says what it would be, beside a server that runs, and what is wrong', async () => {
  const { httpUrl, wsUrl } = await startContainer({ image })
  const ports = { PARLEY_HTTP_PORT: new URL(httpUrl).port, PARLEY_WS_PORT: new URL(wsUrl).port }
  const good = await runImage(image, ports, 'check')
  expect([good.code, good.stderr]).toEqual([0, ''])
  expect(good.stdout).toContain(
    `would start with these settings.\n\n  HTTP API    0.0.0.0, port ${ports.PARLEY_HTTP_PORT}\n`,
  )
  expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200)

  const { code, stdout, stderr } = await runImage(image, { TURN_USERNAME: 'sleap', PARLEY_HTTP_PROT: '80' }, 'check')
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain('PARLEY_HTTP_PROT is not a setting; is PARLEY_HTTP_PORT meant?')
  expect((await runImage(image, {}, 'chek')).code).toBe(2)
})

withImage('it says why it does not start', async () => {
  const { code, stderr } = await runImage(image, { PARLEY_HTTP_PROT: '80', PARLEY_DATA_DIR: '/srv/parley' })
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringContaining('PARLEY_HTTP_PROT is not a setting; is PARLEY_HTTP_PORT meant?'),
    expect.stringContaining('PARLEY_DATA_DIR: the folder /srv/parley cannot be used (EROFS)'),
  ])
})

/** The services of the file, on this machine's network: their names are its loopback there, their ports free ones. */
withImage("the emulated AWS works with the original container's environment", async () => {
  const [cognito, dynamodb, table, parley] = ['cognito', 'dynamodb', 'table', 'parley'].map(name =>
    serviceOf(readCompose('compose.aws-emulated.yaml'), name),
  )
  const where = { ...cognito?.environment, HOST: '127.0.0.1', PORT: '0' }
  const line = await startProgram(emulated, where, cognito?.command ?? [], /running on http:/)
  const cognitoUrl = /http:\/\/[\d.]+:\d+/.exec(line)?.[0] ?? ''

  const [port] = await freePorts(1)
  const command = (dynamodb?.command ?? []).map(word => (word === '4567' ? String(port) : word))
  await startProgram(emulated, {}, command, /listening/)
  const tableSettings = onLoopback(table?.environment)
  for (const _ of ['made', 'found']) {
    const { code, stdout } = await runImage(emulated, tableSettings, ...(table?.command ?? []))
    expect([code, stdout]).toEqual([0, 'The table rooms is there.\n'])
  }

  const turn = { TURN_HOST: 'turn.example', TURN_PORT: '3478', TURN_USERNAME: 'user', TURN_PASSWORD: 'password' }
  const settings = { ...onLoopback(parley?.environment), ...turn }
  const container = await startContainer({ image: image, settings })
  expect((await fetch(`${container.httpUrl}/readyz`)).status).toBe(200)
  const secrets = await quickReference(container)
  await container.stop()
  for (const secret of [...secrets, turn.TURN_PASSWORD]) expect(container.log.join('\n')).not.toContain(secret)

  function onLoopback(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
    const moved = Object.entries(environment).map(([name, value]) => [
      name,
      value.replace('http://cognito:9229', cognitoUrl).replace('http://dynamodb:4567', `http://127.0.0.1:${port}`),
    ])
    return Object.fromEntries(moved)
  }
})

/** Bytes of the layers of an image as a registry keeps them. */
async function compressedSize(name: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-layers-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await buildah('push', '--quiet', '--format', 'oci', name, `dir:${folder}`)
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as { layers: { size: number }[] }
  return manifest.layers.reduce((sum, { size }) => sum + size, 0)
}

/** The packages that a build on this machine takes code from, as `name@version`. */
async function bundledPackages(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bundle-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const metafile = join(folder, 'metafile.json')
  if (!host) throw new Error('There is no executable for this machine.')
  await buildBinary({ target: host, outfile: join(folder, 'parley'), metafile })
  const { inputs } = JSON.parse(await readFile(metafile, 'utf8')) as { inputs: Record<string, object> }
  const folders = Object.keys(inputs).flatMap(
    path => /^(.*node_modules\/(@[^/]+\/)?[^/]+|protocol|server|client|cli)\//.exec(path)?.[1] ?? [],
  )
  const versions = [...new Set(folders)].sort().map(async path => {
    const { name, version } = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8'))
    return `${name}@${version}`
  })
  return Promise.all(versions)
}
