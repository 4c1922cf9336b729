import { onTestFinished } from 'bun:test'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'

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
  readonly command?: keyof typeof commands
  /** Kept afterwards if it is given; otherwise a new folder, which is removed at the end. */
  readonly dataDir?: string
  readonly settings?: Readonly<Record<string, string>>
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
  /** Resolves when what was started (npm) has ended. */
  readonly exited: Promise<unknown>
  signal(signal: NodeJS.Signals, addressee?: Addressee): void
  /** Sends the signal and waits until every process of it has ended. `code` is that of what was started. */
  stop(signal?: NodeJS.Signals, addressee?: Addressee): Promise<{ code: number | null; milliseconds: number }>
}

/**
 * Starts a server on free ports and resolves when it has said that it is ready. It ends with the test at the latest.
 * @throws StartFailure with all that it said, if it ends before that
 */
export async function startParley(options: StartOptions = {}): Promise<ParleyProcess> {
  const { command = 'npm', settings = {} } = options
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'parley-e2e-')))
  const limited = options.openFiles ? ['bash', '-c', `ulimit -n ${options.openFiles} && exec "$0" "$@"`] : []
  const [program = '', ...args] = [...limited, ...commands[command]]
  const ports = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0' }
  const env = { ...foreignSettings(), ...ports, PARLEY_DATA_DIR: dataDir, ...settings }
  const child = spawn(program, args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })

  const stdout: string[] = []
  const stderr: string[] = []
  const lines = new Inbox<string>()
  createInterface({ input: child.stdout }).on('line', line => {
    stdout.push(line)
    lines.push(line)
  })
  createInterface({ input: child.stderr }).on('line', line => stderr.push(line))
  const exited = once(child, 'exit')
  // Closed when the last process that could write to the pipes has ended, so also when the server outlives npm.
  const ended = once(child, 'close')
  ended.then(
    () => lines.close(new StartFailure(child.exitCode, stdout, stderr)),
    error => lines.close(error),
  )
  onTestFinished(async () => {
    signalGroup(child, 'SIGKILL')
    await ended
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
  })

  const urlAfter = async (label: string) => (await lines.find(line => line.includes(label))).split(/\s+/).at(-1) ?? ''
  const httpUrl = await urlAfter('HTTP API ')
  const wsUrl = await urlAfter('WebSocket ')
  await lines.find(line => line.includes('Ctrl-C'))
  const pid = innermost(processId(child))
  const signal = (name: NodeJS.Signals, addressee: Addressee = 'server') => {
    if (addressee === 'group') signalGroup(child, name)
    else process.kill(addressee === 'server' ? pid : processId(child), name)
  }
  return {
    ...{ httpUrl, wsUrl, dataDir, pid, stdout: [...stdout], stderr, exited, signal },
    async stop(name = 'SIGTERM', addressee = 'server') {
      const start = performance.now()
      signal(name, addressee)
      await ended
      return { code: child.exitCode, milliseconds: performance.now() - start }
    },
  }
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
