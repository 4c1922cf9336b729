import { beforeAll, describe, expect, test } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { watch } from 'node:fs'
import { chmod, mkdir, readdir, readFile, stat, statfs, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  buildCli,
  type CliEvent,
  type CliOptions,
  newFolder,
  runCli,
  runtimes,
  startCli,
  startInTerminal,
} from './cli-process.ts'
import { hasDataChannel, needs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { startRestartable } from './restartable.ts'

const withWebRtc = needs({ 'node-datachannel': await hasDataChannel() })
const loopback = ['--bind-address', '127.0.0.1']
const esc = '\x1b'

beforeAll(buildCli)

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const visible = async (folder: string) => (await readdir(folder)).filter(name => !name.startsWith('.'))

/** A worker that is ready, and what it works with. */
async function startWorker(options: CliOptions, ...args: string[]) {
  const server = await startParley()
  const address = ['--server', server.httpUrl, '--ws', server.wsUrl]
  const inbox = join(await newFolder(), 'inbox')
  const worker = startCli(options, 'worker', ...address, '--json', '--folder', inbox, ...loopback, ...args)
  const { session } = await worker.event('ready')
  return { server, address, inbox, worker, session: String(session) }
}

for (const runtime of runtimes) {
  const onRuntime = async (): Promise<CliOptions> => ({ runtime, home: await newFolder() })

  describe(`parley on ${runtime}`, () => {
    withWebRtc(`sends files and talks both ways on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, inbox } = await startWorker(options)
      const folder = await newFolder()
      const contents = { 'one.bin': randomBytes(3_000_001), 'two words.txt': Buffer.from('short') }
      const paths = Object.keys(contents).map(name => join(folder, name))
      await Promise.all(Object.values(contents).map((bytes, i) => writeFile(paths[i] ?? '', bytes)))

      const talk = ['--message', 'begin', '--chat', '--json', '--peer-id', 'ada', ...loopback]
      const client = startCli(options, 'connect', session, '--send', ...paths, ...talk)
      expect(await worker.event('chat')).toEqual({ event: 'chat', peer: 'ada', text: 'begin' })
      const received = [await worker.event('file_received'), await worker.event('file_received')]
      for (const [name, bytes] of Object.entries(contents)) {
        const path = join(inbox, name)
        expect(received).toContainEqual(
          expect.objectContaining({
            peer: 'ada',
            name,
            kept_as: name,
            path,
            size: bytes.length,
            sha256: sha256(bytes),
          }),
        )
        expect(await readFile(path)).toEqual(bytes)
      }
      expect(await client.event('file_sent')).toMatchObject({ direction: 'sending' })
      expect(await client.event('file_sent')).toMatchObject({ direction: 'sending' })
      client.type('grüße 🎈')
      expect(await worker.event('chat')).toMatchObject({ text: 'grüße 🎈' })
      worker.type('and back')
      expect(await client.event('chat')).toMatchObject({ text: 'and back' })
      client.closeInput()
      expect(await worker.event('disconnected')).toEqual({ event: 'disconnected', peer: 'ada' })
      const { code, stdout, stderr } = await client.ended
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout.map(line => typeof JSON.parse(line).event)).toEqual(stdout.map(() => 'string'))
      expect(JSON.parse(stdout.at(-1) ?? '')).toEqual({ event: 'end', exit_code: 0 })
      expect((await readdir(inbox)).sort()).toEqual(Object.keys(contents))
    })

    withWebRtc(`prints one line for the other side, without colours, on ${runtime}`, async () => {
      const options = await onRuntime()
      const server = await startParley()
      const address = ['--server', server.httpUrl, '--ws', server.wsUrl]
      const cwd = await newFolder()
      const worker = startCli({ ...options, cwd }, 'worker', ...address, ...loopback)
      const line = await worker.lines.next()
      const underNpx = startCli({ ...options, env: { npm_command: 'exec' } }, 'worker', ...address, ...loopback)
      expect(await underNpx.lines.next()).toStartWith("npx parley connect 'http:")
      const session = /^parley connect '(http:[^']+)'$/.exec(line)?.[1] ?? line
      const path = join(await newFolder(), 'x.txt')
      await writeFile(path, 'content')
      const client = await runCli(
        options,
        'connect',
        '--send',
        path,
        session,
        '--message',
        `two\nlines${esc}[2J`,
        ...loopback,
      )
      expect(client).toMatchObject({ code: 0, stdout: [] })
      expect(client.stderr).toMatch(/✓ x\.txt sent to worker-[\da-f]{8} \(7 B/)
      worker.signal('SIGINT')
      const { code, stdout, stderr } = await worker.ended
      expect(code).toBe(130)
      expect(stdout.slice(1)).toEqual([
        expect.stringMatching(/^client-[\da-f]{8}: two$/),
        expect.stringMatching(/^ {17}lines\[2J$/),
      ])
      expect(stderr).toContain('✓ x.txt received')
      expect([...stdout, stderr, client.stderr].join()).not.toContain(esc)
      expect(await readFile(join(cwd, 'x.txt'), 'utf8')).toBe('content')
    })

    withWebRtc(`sends all of its input, in order, and then ends, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session } = await startWorker(options)
      const client = startCli(options, 'connect', session, ...loopback)
      const lines = Array.from({ length: 3000 }, (_, i) => `line ${i} ${'.'.repeat(i % 200)}`)
      client.type(lines.join('\n'))
      client.closeInput()
      for (const text of lines) expect(await worker.event('chat')).toMatchObject({ text })
      expect((await client.ended).code).toBe(0)
      // Nobody is there any more.
      worker.type('anybody?')
      await worker.event('disconnected')
    })

    withWebRtc(`keeps its room for as long as it is there, on ${runtime}`, async () => {
      const options = await onRuntime()
      const server = await startParley({ settings: { PARLEY_ROOM_TTL_SECONDS: '6' } })
      const worker = startCli(
        options,
        'worker',
        '--server',
        server.httpUrl,
        '--ws',
        server.wsUrl,
        '--json',
        ...loopback,
      )
      const { room_id } = await worker.event('ready')
      expect(await worker.event('room_extended')).toMatchObject({ room_id, seconds: expect.any(Number) })
    })

    withWebRtc(`shows progress and colours where they are wanted, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { session } = await startWorker(options)
      const coloured = { ...options, env: { FORCE_COLOR: '1' } }
      const client = await runCli(coloured, 'connect', session, '--message', 'x', ...loopback)
      expect(client.stderr).toContain(`${esc}[32m✓${esc}[39m`)
      const plain = { ...options, env: { FORCE_COLOR: '', NO_COLOR: '1' } }
      expect((await runCli(plain, 'connect', session, '--message', 'x', ...loopback)).stderr).not.toContain(esc)
    })

    withWebRtc(`runs a command for each file, whatever its name, on ${runtime}`, async () => {
      const options = await onRuntime()
      const folder = await newFolder()
      const script = join(folder, 'hook.sh')
      const log = join(folder, 'log')
      await writeFile(
        script,
        `#!/bin/sh\nprintf '%s\\n' "$#" "$1" "$2" "$PARLEY_FILE" "$PARLEY_PEER" "$PARLEY_SHA256" >> '${log}'\necho said\nexit 3\n`,
      )
      await chmod(script, 0o755)
      const { worker, session, inbox } = await startWorker(options, '--exec', `'${script}' "a  b"`)
      const name = `$(touch pwned) ; 'x' & y.txt`
      await writeFile(join(folder, name), 'content')
      const client = ['--peer-id', 'ada', ...loopback]
      expect((await runCli(options, 'connect', session, '--send', join(folder, name), ...client)).code).toBe(0)
      const path = join(inbox, name)
      expect(await worker.event('exec_ended')).toMatchObject({ path, peer: 'ada', code: 3, signal: null })
      expect(await readFile(log, 'utf8')).toBe(`2\na  b\n${path}\n${path}\nada\n${sha256(Buffer.from('content'))}\n`)
      expect(await readdir(inbox)).toEqual([name])
      worker.signal('SIGTERM')
      expect(await worker.ended).toMatchObject({ code: 143, stderr: 'said\n' })
    })

    withWebRtc(`ends with its first peer if it is told so, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session } = await startWorker(options, '--once', '--exec', 'false')
      const path = join(await newFolder(), 'x')
      await writeFile(path, '')
      expect((await runCli(options, 'connect', session, '--send', path, ...loopback)).code).toBe(0)
      const { code, stdout } = await worker.ended
      // The command has failed.
      expect(code).toBe(1)
      expect(stdout.map(line => JSON.parse(line).event)).toContain('room_deleted')
    })

    withWebRtc(`tells both sides that the disk is full, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, inbox } = await startWorker(options)
      const { bavail, bsize } = await statfs(inbox)
      const path = join(await newFolder(), 'huge.bin')
      await writeFile(path, '')
      await truncate(path, bavail * bsize + 2 ** 32)
      const client = await runCli(options, 'connect', session, '--send', path, ...loopback)
      expect(client.code).toBe(1)
      expect(client.stderr).toContain(': the disk is full (FILE_FAILED)')
      expect(await worker.event('file_failed')).toMatchObject({ name: 'huge.bin', code: 'FILE_FAILED, ENOSPC' })
      expect(await readdir(inbox)).toEqual([])
    })

    withWebRtc(`goes on talking while the server is restarted, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { server, worker, session } = await startWorker(options)
      const client = startCli(options, 'connect', session, '--json', ...loopback)
      await client.event('connected')
      await server.stop('SIGKILL')
      await Promise.all([client.event('server', isAway), worker.event('server', isAway)])
      client.type('are you there?')
      expect(await worker.event('chat')).toMatchObject({ text: 'are you there?' })
      worker.type('always')
      expect(await client.event('chat')).toMatchObject({ text: 'always' })

      const ports = { PARLEY_HTTP_PORT: new URL(server.httpUrl).port, PARLEY_WS_PORT: new URL(server.wsUrl).port }
      await startParley({ dataDir: server.dataDir, settings: ports })
      await Promise.all([client.event('server', isBack), worker.event('server', isBack)])
      const other = await runCli(options, 'connect', session, '--message', 'me, too', ...loopback)
      expect(other.code).toBe(0)
      expect(await worker.event('chat')).toMatchObject({ text: 'me, too' })
      client.type('still here')
      expect(await worker.event('chat')).toMatchObject({ text: 'still here' })
    })

    withWebRtc(`keeps a line in one piece that is being typed when another one comes, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session } = await startWorker(options, '--peer-id', 'worker')
      const terminal = startInTerminal(options, 'connect', session, ...loopback)
      await terminal.shows('is connected.\r\n')
      await worker.event('connected')
      terminal.press('half')
      await terminal.shows('half')
      worker.type('hello')
      await terminal.shows('\r\x1b[J' + 'worker: hello\r\nhalf')
      terminal.press('-typed\r')
      expect(await worker.event('chat')).toMatchObject({ text: 'half-typed' })
      // Longer than the terminal is wide, and with the cursor within it.
      const long = 'x'.repeat(50)
      terminal.press(`${long}\x1b[D\x1b[D`)
      await terminal.shows('\x1b[1D')
      worker.type('again')
      await terminal.shows(`\x1b[1A\r\x1b[Jworker: again\r\n${'x'.repeat(48)}\x1b7xx\x1b8`)
      terminal.press('\x03')
      expect(await terminal.exited).toBe(130)
    })

    withWebRtc(`sends its standard input as a file, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, inbox } = await startWorker(options)
      const temporary = await newFolder()
      const client = startCli(
        { ...options, env: { TMPDIR: temporary } },
        'connect',
        session,
        '--send',
        '-',
        ...loopback,
      )
      const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`)
      for (const line of lines) client.type(line)
      client.closeInput()
      expect(await worker.event('file_received')).toMatchObject({ name: 'stdin' })
      expect((await client.ended).code).toBe(0)
      expect(await readFile(join(inbox, 'stdin'), 'utf8')).toBe(`${lines.join('\n')}\n`)
      const begins = new Promise(resolve => watch(temporary).once('change', resolve))
      const inTemporary = { ...options, env: { TMPDIR: temporary } }
      const interrupted = startCli(inTemporary, 'connect', session, '--send', '-', ...loopback)
      await begins
      interrupted.signal('SIGTERM')
      expect((await interrupted.ended).code).toBe(143)
      expect(await readdir(temporary)).toEqual([])
      const both = await runCli(options, 'connect', session, '--send', '-', '--chat', ...loopback)
      expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('both need the input')])
    })

    withWebRtc(`sends a folder with all that is in it, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, inbox } = await startWorker(options)
      const folder = join(await newFolder(), 'photos')
      await mkdir(join(folder, 'none', 'at all'), { recursive: true })
      const names = Array.from({ length: 100 }, (_, i) => `${i % 7} of 7/${i}.txt`)
      await Promise.all([...Array(7).keys()].map(i => mkdir(join(folder, `${i} of 7`))))
      await Promise.all(names.map(name => writeFile(join(folder, name), name.repeat(100))))
      await symlink('/etc/passwd', join(folder, 'link'))
      const client = await runCli(options, 'connect', session, '--send', `${folder}/`, '--peer-id', 'ada', ...loopback)
      expect([client.code, client.stdout]).toEqual([0, []])
      expect(client.stderr).toMatch(/! photos\/link is a link: it is not sent\.\n✓ photos sent to .+: 101 files/)
      expect(client.stderr).not.toContain('Warning')
      for (const name of names) expect(await readFile(join(inbox, 'photos', name), 'utf8')).toBe(name.repeat(100))
      expect(await readdir(join(inbox, 'photos', 'none', 'at all'))).toEqual([])
      expect((await readdir(join(inbox, 'photos'))).sort()).toEqual([
        ...(await readdir(folder)).sort().slice(0, 7),
        'none',
      ])
      expect(await worker.event('file_received')).toMatchObject({
        peer: 'ada',
        folder: expect.stringMatching(/^photos/),
      })
    })

    withWebRtc(`waits for a server that is not there yet, on ${runtime}`, async () => {
      const options = await onRuntime()
      const server = await startRestartable()
      await server.stop('SIGTERM')
      const address = ['--server', server.httpUrl, '--ws', server.wsUrl]
      const worker = startCli(options, 'worker', ...address, '--json', ...loopback)
      expect(await worker.event('server')).toMatchObject({ status: 'waiting', code: 'DISCONNECTED' })
      const impatient = startCli(options, 'worker', ...address, '--json', ...loopback)
      await impatient.event('server')
      impatient.signal('SIGTERM')
      expect(await impatient.ended).toMatchObject({ code: 143, stderr: '' })
      await server.start()
      expect(await worker.event('ready')).toMatchObject({ session: expect.stringContaining(server.httpUrl) })
    })

    // It takes some time until the connection is known to be lost: once is enough.
    if (runtime === 'node')
      withWebRtc(`goes on with a worker that was killed and is back, on ${runtime}`, async () => {
        const options = await onRuntime()
        const { worker, session, inbox } = await startWorker(options, '--peer-id', 'worker')
        const path = join(await newFolder(), 'big.bin')
        await writeFile(path, '')
        await truncate(path, 200_000_000)
        const client = startCli(options, 'connect', session, '--send', path, '--json', ...loopback)
        await worker.event('progress', ({ bytes }) => Number(bytes) > 1_000_000)
        worker.signal('SIGKILL')
        await worker.ended
        const again = ['--room', session, '--peer-id', 'worker', '--json', '--folder', inbox, ...loopback]
        const other = startCli(options, 'worker', ...again)
        const { bytes: left } = await other.event('parts_found', ({ count }) => count === 1)
        await client.event('disconnected')
        await client.event('connected')
        expect(Number(left)).toBeGreaterThan(0)
        expect(await other.event('file_resumed')).toMatchObject({ name: 'big.bin', bytes: left })
        expect(await client.event('file_resumed')).toMatchObject({ name: 'big.bin', bytes: left })
        expect(await other.event('file_received')).toMatchObject({ name: 'big.bin', size: 200_000_000 })
        expect((await client.ended).code).toBe(0)
        expect(await readdir(inbox)).toEqual(['big.bin'])
      })

    withWebRtc(`cleans up when it is interrupted, and the other side ends, too, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, address, inbox } = await startWorker(options)
      const path = join(await newFolder(), 'big.bin')
      await writeFile(path, '')
      await truncate(path, 2_000_000_000)
      const client = startCli(options, 'connect', session, '--json', ...loopback)
      const sender = startCli(options, 'connect', session, '--send', path, '--json', ...loopback)
      await Promise.all([client.event('connected'), worker.event('progress', ({ bytes }) => Number(bytes) > 1_000_000)])
      expect(await visible(inbox)).toEqual(['big.bin.part'])
      worker.signal('SIGINT')
      const ends = await Promise.all([worker.ended, client.ended, sender.ended])
      expect(ends.map(({ code }) => code)).toEqual([130, 0, 1])
      expect(ends[0].stdout.map(line => JSON.parse(line).event)).toContain('room_deleted')
      expect(ends[0].stderr).toBe('')
      // It may go on when a worker is started there again.
      expect(await visible(inbox)).toEqual(['big.bin.part'])
      const rooms = await runCli(options, 'rooms', ...address.slice(0, 2), '--json')
      expect(rooms.stdout).toEqual(['{"event":"end","exit_code":0}'])
    })

    withWebRtc(`tells the worker when a sender is interrupted, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { worker, session, inbox } = await startWorker(options)
      const path = join(await newFolder(), 'big.bin')
      await writeFile(path, '')
      await truncate(path, 2_000_000_000)
      const sender = startCli(options, 'connect', session, '--send', path, ...loopback)
      await worker.event('progress', ({ bytes }) => Number(bytes) > 0)
      sender.signal('SIGINT')
      expect(await worker.event('file_failed')).toMatchObject({ name: 'big.bin', code: 'ABORTED' })
      expect(await readdir(inbox)).toEqual([])
      const { code, stderr } = await sender.ended
      expect([code, stderr]).toEqual([
        130,
        expect.stringContaining('✗ big.bin: The sender has cancelled the file (ABORTED)'),
      ])
    })

    withWebRtc(`is one user in three workers that start at once, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { httpUrl, wsUrl } = await startParley()
      const start = () => startCli(options, 'worker', '--server', httpUrl, '--ws', wsUrl, '--json', ...loopback)
      const ready = await Promise.all([start(), start(), start()].map(worker => worker.event('ready')))
      const { stdout } = await runCli(options, 'rooms', '--server', httpUrl, '--json')
      const rooms = stdout.map(line => JSON.parse(line)).filter(({ event }) => event === 'room')
      expect(rooms.map(({ room_id }) => room_id).sort()).toEqual(ready.map(({ room_id }) => room_id).sort())
      expect(await readdir(options.home)).toEqual(['identities.json'])
    })

    withWebRtc(`lists peers and rooms, and deletes rooms, on ${runtime}`, async () => {
      const options = await onRuntime()
      const metadata = { tags: ['gpu'], properties: { memory_gb: 24 } }
      const described = ['--metadata', JSON.stringify(metadata), '--role', 'renderer', '--peer-id', 'my worker']
      const { worker, session, address } = await startWorker(options, ...described)
      const peers = async (...args: string[]) => {
        const { code, stdout } = await runCli(options, 'peers', session, ...args)
        expect(code).toBe(0)
        return stdout
      }
      expect(JSON.parse((await peers('--json'))[0] ?? '')).toEqual({
        event: 'peer',
        peer_id: 'my worker',
        role: 'renderer',
        metadata,
        connected_at: expect.any(Number),
      })
      expect(await peers('--role', 'renderer', '--tag', 'gpu', 'tpu')).toEqual([
        'PEER       ROLE      METADATA',
        `my worker  renderer  ${JSON.stringify(metadata)}`,
      ])
      expect(await peers('--tag', 'tpu')).toEqual([])

      const server = address.slice(0, 2)
      const listed = await runCli(options, 'rooms', ...server, '--json')
      const room: CliEvent = JSON.parse(listed.stdout[0] ?? '')
      expect(room).toMatchObject({ event: 'room', peer_count: 1 })
      expect((await runCli(options, 'rooms', ...server)).stdout[1]).toStartWith(`${room.room_id}  1`)
      // Somebody else has none.
      expect((await runCli({ ...options, home: await newFolder() }, 'rooms', ...server)).stdout).toEqual([])
      const rotated = await runCli(options, 'rooms', 'rotate', String(room.room_id), ...server)
      expect(rotated.stdout).toEqual([expect.stringMatching(new RegExp(`^${room.room_id}  [\\w-]{32}$`))])
      expect(rotated.stdout[0]).not.toContain(String(room.token))
      expect((await runCli(options, 'rooms', 'delete', String(room.room_id), ...server)).code).toBe(0)
      const { code, stdout } = await worker.ended
      expect(code).toBe(1)
      expect(stdout.slice(-2).map(line => JSON.parse(line).code)).toEqual(['ROOM_DELETED', undefined])
      expect((await stat(join(options.home, 'identities.json'))).mode & 0o777).toBe(0o600)
    })

    withWebRtc(`keeps nothing of an anonymous user, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { session } = await startWorker(options, '--anonymous')
      expect((await runCli(options, 'peers', session, '--anonymous')).code).toBe(0)
      expect(await readdir(options.home)).toEqual([])
    })

    test(`says in one sentence what is wrong, on ${runtime}`, async () => {
      const options = await onRuntime()
      const server = await startParley()
      const session = `${server.httpUrl}#nowhere/${'t'.repeat(32)}/worker/${encodeURIComponent(server.wsUrl)}`
      const cases: [args: string[], code: number, sentence: string][] = [
        [['wroker'], 2, 'There is no command “wroker”; is “worker” meant? (USAGE). “parley --help” explains it.'],
        [['worker', '--sever', 'x'], 2, 'There is no option --sever; is --server meant? (USAGE).'],
        [['worker', '--server'], 2, '--server needs a value: --server URL (USAGE).'],
        [
          ['worker', '--server', 'host:1'],
          2,
          '"host:1" must be an address that begins with http:// or https:// (INVALID_ARGUMENT).',
        ],
        [['worker', '--metadata', '[]'], 2, '--metadata must be a JSON object'],
        [['worker', '--exec', `'a`], 2, 'ends within a quotation'],
        [['connect'], 2, 'Which session?'],
        [['connect', 'x'], 2, 'This is not a session: there is no # in it'],
        [['connect', session, '--send', 'no such file'], 1, 'no such file cannot be read: it does not exist (ENOENT).'],
        [['connect', session, '--legacy', '--send', '.'], 2, '. is a folder, and --legacy sends files only'],
        [['connect', session], 1, '(ROOM_NOT_FOUND). The worker has ended'],
        [['peers', session], 1, '(ROOM_NOT_FOUND).'],
        [['rooms', 'delete', 'x', '--server', server.httpUrl], 1, '(ROOM_NOT_FOUND).'],
        [
          ['rooms', '--server', 'http://127.0.0.1:1'],
          1,
          'http://127.0.0.1:1 cannot be reached (DISCONNECTED). Check that',
        ],
      ]
      const results = await Promise.all(cases.map(([args]) => runCli(options, ...args)))
      for (const [i, [args, code, sentence]] of cases.entries()) {
        const result = results[i]
        expect([args, result?.code, result?.stdout]).toEqual([args, code, []])
        expect(result?.stderr).toStartWith('parley: ')
        expect(result?.stderr.split('\n')).toHaveLength(2)
        expect(result?.stderr).toContain(sentence)
      }
    })

    withWebRtc(`says that the token is wrong, or the worker not there, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { session } = await startWorker(options, '--peer-id', 'worker')
      const wrong = session.replace(/\/([^/]+)\/worker/, (_, token: string) => `/${token.slice(1)}x/worker`)
      const lost = session.replace('/worker', '/nobody')
      const results = await Promise.all(
        [wrong, lost].map(each => runCli(options, 'connect', each, '--json', ...loopback)),
      )
      expect(results.map(({ code }) => code)).toEqual([1, 1])
      expect(results.map(({ stdout }) => JSON.parse(stdout.at(-2) ?? '').code)).toEqual([
        'INVALID_ROOM_TOKEN',
        'PEER_NOT_FOUND',
      ])
      const debug = await runCli({ ...options, env: { PARLEY_DEBUG: '1' } }, 'connect', lost, ...loopback)
      expect(debug.stderr).toMatch(/ParleyError: .+\n +at /)
    })

    test(`explains itself on ${runtime}`, async () => {
      const options = await onRuntime()
      const all = await runCli(options)
      expect(all).toMatchObject({ code: 0, stderr: '' })
      expect(await runCli(options, '--help')).toEqual(all)
      for (const command of ['worker', 'connect', 'rooms', 'peers', 'doctor', 'demo']) {
        const help = await runCli(options, command, '--help')
        expect(help).toMatchObject({ code: 0, stderr: '' })
        expect(await runCli(options, 'help', command)).toEqual(help)
        expect(all.stdout.join('\n')).toContain(`  ${command} `)
        const text = help.stdout.join('\n')
        for (const part of ['Usage\n  parley ', '\nOptions\n', '\nExamples\n  parley ', '--json'])
          expect(text).toContain(part)
        expect(text).not.toContain('bind-address')
        expect(Math.max(...help.stdout.map(line => line.length))).toBeLessThanOrEqual(100)
      }
    })

    withWebRtc(`shows all of it in a demo, on ${runtime}`, async () => {
      const options = await onRuntime()
      const { code, stdout } = await runCli(options, 'demo', '--json')
      const events: CliEvent[] = stdout.map(line => JSON.parse(line))
      const steps = events.filter(({ event }) => event === 'step').map(({ step }) => step)
      for (const step of ['server_up', 'signed_in', 'room_created', 'offer', 'answer', 'connected', 'verified']) {
        expect(steps).toContain(step)
      }
      expect([code, steps.at(-1)]).toEqual([0, 'server_stopped'])
      const { stdout: all } = await runCli(options, 'demo')
      const lines = all.slice(0, -2)
      expect(all.slice(-2)).toEqual(['', expect.stringMatching(/^From the offer to the connection: \d+ ms\./)])
      expect(lines.filter(line => /^ *\d+\.\d ms +\+\d+\.\d {2}(server|worker|client) {2}./.test(line))).toEqual([
        ...lines,
      ])
    })

    test(`examines a server on ${runtime}`, async () => {
      const options = await onRuntime()
      const { httpUrl, wsUrl } = await startParley()
      const { code, stdout } = await runCli(options, 'doctor', httpUrl, '--ws', wsUrl, '--json')
      const events: CliEvent[] = stdout.map(line => JSON.parse(line))
      expect(events.find(({ name }) => name === 'sign-in')).toMatchObject({ event: 'check', status: 'ok' })
      expect([code, events.at(-2)]).toEqual([0, expect.objectContaining({ event: 'summary', exit_code: 0 })])
      expect((await runCli(options, 'doctor', 'http://127.0.0.1:1')).code).toBe(1)
      // Whether there is one on this machine or not.
      expect((await runCli(options, 'doctor')).stdout.join('\n')).toContain('127.0.0.1:8001')
    })
  })
}

const isAway = ({ status }: CliEvent) => status === 'reconnecting'
const isBack = ({ status }: CliEvent) => status === 'connected'
