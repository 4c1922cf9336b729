import { onTestFinished } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'
import { root } from './parley-process.ts'

/** What the CLI runs on: as it is installed, or its sources. */
export type Runtime = 'node' | 'bun'

export const runtimes: readonly Runtime[] = ['node', 'bun']

const commands: { readonly [R in Runtime]: readonly [string, ...string[]] } = {
  node: ['node', join(root, 'cli/bin/parley.js')],
  bun: [join(root, 'node_modules/.bin/bun'), join(root, 'cli/src/main.ts')],
}

/** Makes what Node runs from the sources as they are now. */
export function buildCli(): void {
  const { status, stderr } = spawnSync(process.execPath, ['release/build.ts', 'cli'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`The CLI cannot be built: ${stderr}`)
}

/** A line of `--json`. */
export interface CliEvent {
  readonly event: string
  readonly [member: string]: unknown
}

export interface CliEnd {
  readonly code: number | null
  /** All lines of it. */
  readonly stdout: readonly string[]
  readonly stderr: string
}

/** `parley`, running. */
export interface CliProcess {
  readonly pid: number
  /** The lines of standard output, as they come. */
  readonly lines: Inbox<string>
  /** The next event of this name that matches; those before it are dropped. All lines until then must be events. */
  event(name: string, matches?: (event: CliEvent) => boolean): Promise<CliEvent>
  /** Writes a line to its standard input. */
  type(line: string): void
  closeInput(): void
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended, by itself. */
  readonly ended: Promise<CliEnd>
}

export interface CliOptions {
  readonly runtime: Runtime
  /** Who it is: processes with the same one have the same identity. */
  readonly home: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts it with a pipe for each of its streams; it ends with the test at the latest. */
export function startCli({ runtime, home, env, cwd = root }: CliOptions, ...args: string[]): CliProcess {
  const [program, ...before] = commands[runtime]
  const settings = { ...plainEnvironment(), PARLEY_HOME: home, ...env }
  const child = spawn(program, [...before, ...args], { cwd, env: settings, stdio: ['pipe', 'pipe', 'pipe'] })
  const lines = new Inbox<string>()
  const stdout: string[] = []
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', line => {
    stdout.push(line)
    lines.push(line)
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  // Whoever types into a program that has ended has nothing to say to it.
  child.stdin.on('error', () => {})
  const ended = once(child, 'close').then(() => {
    lines.close(new Error(`parley ${args[0]} has ended with code ${child.exitCode}: ${stdout.join('\n')}\n${stderr}`))
    return { code: child.exitCode, stdout, stderr }
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    pid: child.pid ?? 0,
    lines,
    async event(name, matches = () => true) {
      for (;;) {
        const event: CliEvent = JSON.parse(await lines.next())
        if (event.event === name && matches(event)) return event
      }
    },
    type: line => void child.stdin.write(`${line}\n`),
    closeInput: () => void child.stdin.end(),
    signal: name => void child.kill(name),
    ended,
  }
}

/** `parley` in a terminal. */
export interface CliTerminal {
  /** Resolves when what it has shown since the last call ends with `text`. */
  shows(text: string): Promise<void>
  /** Presses these keys. */
  press(keys: string): void
  readonly exited: Promise<number>
}

/** Starts it in a terminal of 40 columns; it ends with the test at the latest. */
export function startInTerminal({ runtime, home }: CliOptions, ...args: string[]): CliTerminal {
  let shown = ''
  let look = () => {}
  const decoder = new TextDecoder()
  const terminal = {
    cols: 40,
    rows: 20,
    data(_: unknown, bytes: Uint8Array) {
      shown += decoder.decode(bytes, { stream: true })
      look()
    },
  }
  const env = { ...plainEnvironment(), PARLEY_HOME: home, TERM: 'xterm', NO_COLOR: '1' }
  const child = Bun.spawn([...commands[runtime], ...args], { cwd: root, env, terminal })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await child.exited
    child.terminal?.close()
  })
  return {
    async shows(text) {
      while (!shown.endsWith(text)) {
        await new Promise<void>(resolve => {
          look = resolve
        })
      }
      shown = ''
    },
    press: keys => void child.terminal?.write(keys),
    exited: child.exited,
  }
}

/** Runs it to its end, without anything to read. */
export async function runCli(options: CliOptions, ...args: string[]): Promise<CliEnd> {
  const cli = startCli(options, ...args)
  cli.closeInput()
  return cli.ended
}

/** A new folder, which is removed at the end of the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-cli-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The environment without what would change what the CLI does or how it looks. */
function plainEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PARLEY_|npm_|FORCE_COLOR$|NO_COLOR$)/.test(name))
  return Object.fromEntries(kept)
}
