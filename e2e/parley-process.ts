import { onTestFinished } from 'bun:test'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'
import { twoNodes } from './two-nodes.ts'

/** The root of the repository, where a person types the commands of the README. */
export const root = resolve(import.meta.dir, '..')

/**
 * Ways to start: as the README says, or without npm. Below npm there may be a shell between npm and the server, and
 * then neither a signal to npm nor the exit code of the server gets through it.
 */
const commands = {
  npm: ['npm', 'start'],
  bun: [join(root, 'node_modules/.bin/bun'), 'server/src/main.ts'],
} as const

/** Who is sent a signal: the server itself, what was started (npm), or the group of both, as by a terminal. */
export type Addressee = 'server' | 'started' | 'group'

export interface StartOptions {
  /** Default: `bun`, as npm takes longer to start than the server does. */
  readonly command?: keyof typeof commands
  /** Kept afterwards if it is given; otherwise a new folder, which is removed at the end. */
  readonly dataDir?: string
  readonly settings?: Readonly<Record<string, string>>
  /** Open files to write to, in place of pipes that the test reads. */
  readonly stdout?: number
  readonly stderr?: number
  /** Redirections of the shell, such as `2>&-`, which begins without standard error; the test then hears nothing. */
  readonly redirections?: string
  /** Source that Bun runs before the server, in the same process; only without npm. */
  readonly preload?: string
  /** Files and sockets that it may have open; needs bash. */
  readonly openFiles?: number
}

/** The server has ended instead of starting. */
export class StartFailure extends Error {
  constructor(
    readonly code: number | null,
    readonly stdout: readonly string[],
    readonly stderr: readonly string[],
  ) {
    super(['Parley ended with code', code, 'and said:', ...stdout, ...stderr].join('\n'))
  }
}

/** A running server, in a process of its own. */
export interface ParleyProcess {
  readonly httpUrl: string
  readonly wsUrl: string
  readonly dataDir: string
  /** The process of the server itself, not of npm. */
  readonly pid: number
  /** Lines of standard output until it was ready. */
  readonly stdout: readonly string[]
  /** Lines of standard error so far: the log. */
  readonly stderr: readonly string[]
  /** Resolves with the first line of the log, so far or later, in which all of this stands. */
  said(...parts: readonly string[]): Promise<string>
  /** Resolves when what was started (npm) has ended. */
  readonly exited: Promise<unknown>
  signal(signal: NodeJS.Signals, addressee?: Addressee): void
  /** Sends the signal and waits until every process of it has ended. `code` is that of what was started. */
  stop(signal?: NodeJS.Signals, addressee?: Addressee): Promise<{ code: number | null; milliseconds: number }>
}

/**
 * Starts a server on free ports and resolves when it has said that it is ready. It ends with the test at the latest. With
 * PARLEY_E2E_NODES=2 these are two nodes behind a load balancer, so that a test can be run on them as it is.
 * @throws StartFailure with all that it said, if it ends before that
 */
export function startParley(options: StartOptions = {}): Promise<ParleyProcess> {
  return process.env.PARLEY_E2E_NODES === '2' ? twoNodes(options, startNode) : startNode(options)
}

/** Starts one server, however many nodes the tests are run on. @throws StartFailure as `startParley` */
export async function startNode(options: StartOptions): Promise<ParleyProcess> {
  const { command = 'bun', settings = {} } = options
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'parley-e2e-')))
  const limited = options.openFiles ? ['bash', '-c', `ulimit -n ${options.openFiles} && exec "$0" "$@"`] : []
  const [program = '', ...args] = [...limited, ...commands[command]]
  const ports = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0' }
  // Tests must not depend on the STUN servers of others.
  const own = { PARLEY_DATA_DIR: dataDir, PARLEY_STUN_URLS: 'none' }
  const env = { ...foreignSettings(), ...ports, ...own, ...settings }
  const whole = [program, ...preloaded(options.preload, dataDir), ...args]
  const child = spawn('sh', ['-c', `exec "$@" ${options.redirections ?? ''}`, 'sh', ...whole], {
    ...{ cwd: root, env, detached: true },
    stdio: ['ignore', options.stdout ?? 'pipe', options.stderr ?? 'pipe'],
  })

  const stdout: string[] = []
  const stderr: string[] = []
  const logged = new EventEmitter().setMaxListeners(0)
  const lines = new Inbox<string>()
  const listening = new Inbox<string>()
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', line => {
      stdout.push(line)
      lines.push(line)
    })
  }
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', line => {
      stderr.push(line)
      logged.emit('line')
      if (line.includes('"listening"')) listening.push(line)
    })
  }
  const exited = once(child, 'exit')
  // Closed when the last process that could write to the pipes has ended, so also when the server outlives npm.
  const ended = once(child, 'close')
  ended.then(
    () => {
      lines.close(new StartFailure(child.exitCode, stdout, stderr))
      listening.close(new StartFailure(child.exitCode, stdout, stderr))
    },
    error => {
      lines.close(error)
      listening.close(error)
    },
  )
  onTestFinished(async () => {
    signalGroup(child, 'SIGKILL')
    await ended
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
  })

  const isMute = options.redirections !== undefined || (!child.stdout && !child.stderr)
  const urls = () => (child.stdout ? welcomed(lines) : inLog(listening))
  const { httpUrl, wsUrl } = await (isMute ? answering(child, env.PARLEY_HTTP_PORT, env.PARLEY_WS_PORT) : urls())
  const pid = innermost(processId(child))
  const signal = (name: NodeJS.Signals, addressee: Addressee = 'server') => {
    if (addressee === 'group') signalGroup(child, name)
    else process.kill(addressee === 'server' ? pid : processId(child), name)
  }
  return {
    ...{ httpUrl, wsUrl, dataDir, pid, stdout: [...stdout], stderr, exited, signal },
    async said(...parts) {
      for (;;) {
        const found = stderr.find(line => parts.every(part => line.includes(part)))
        if (found !== undefined) return found
        await once(logged, 'line')
      }
    },
    async stop(name = 'SIGTERM', addressee = 'server') {
      const start = performance.now()
      signal(name, addressee)
      await ended
      return { code: child.exitCode, milliseconds: performance.now() - start }
    },
  }
}

interface Urls {
  readonly httpUrl: string
  readonly wsUrl: string
}

/** Where the server says that it is, on standard output. */
async function welcomed(lines: Inbox<string>): Promise<Urls> {
  const urlAfter = async (label: string) => (await lines.find(line => line.includes(label))).split(/\s+/).at(-1) ?? ''
  const httpUrl = await urlAfter('HTTP API ')
  const wsUrl = await urlAfter('WebSocket ')
  await lines.find(line => line.includes('Ctrl-C'))
  return { httpUrl, wsUrl }
}

/** Where it logs that it is. */
async function inLog(listening: Inbox<string>): Promise<Urls> {
  const { httpPort, wsPort } = JSON.parse(await listening.next())
  return { httpUrl: `http://127.0.0.1:${httpPort}`, wsUrl: `ws://127.0.0.1:${wsPort}` }
}

/** Where it was told to be, once it answers: it can say nothing. */
async function answering(child: ChildProcess, httpPort: string, wsPort: string): Promise<Urls> {
  const httpUrl = `http://127.0.0.1:${httpPort}`
  const isThere = () =>
    fetch(`${httpUrl}/livez`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isThere())) if (child.exitCode !== null) throw new StartFailure(child.exitCode, [], [])
  return { httpUrl, wsUrl: `ws://127.0.0.1:${wsPort}` }
}

/** The options of Bun that have it run `source` first. */
function preloaded(source: string | undefined, folder: string): string[] {
  if (source === undefined) return []
  const file = join(folder, 'preload.ts')
  writeFileSync(file, source)
  return ['--preload', file]
}

/** The environment without what would configure the server. */
function foreignSettings(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PARLEY|COGNITO|TURN|AWS)_/.test(name))
  return Object.fromEntries(kept)
}

function processId(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('The process has not started.')
  return child.pid
}

/** A detached process leads a group of its own, which its descendants belong to. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-processId(child), signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The process at the end of a line of parents and children. */
function innermost(pid: number): number {
  const { stdout, error } = spawnSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' })
  if (error) throw new Error('The tests need the command ps.', { cause: error })
  const childOf = new Map(stdout.split('\n').map(line => line.trim().split(/\s+/).map(Number) as [number, number]))
  let innermost = pid
  for (let child = childOf.get(pid); child !== undefined; child = childOf.get(child)) innermost = child
  return innermost
}
