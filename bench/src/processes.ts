import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A server under test, in a process of its own. */
export interface Subject {
  readonly name: string
  readonly ws: string
  /** Undefined where there is no HTTP API. */
  readonly http: string | undefined
  readonly pid: number
  /** Seconds of CPU time that the process has used so far, all its threads together. */
  cpuSeconds(): number
  /** Resident memory in KiB. */
  residentKib(): number
  stop(): Promise<void>
}

const running = new Set<Bun.Subprocess>()
const folders = new Set<string>()

/** Kills whatever was started here, and removes its folders. At once, for signal handlers. */
export function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

/** A folder that goes when the bench ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-'))
  folders.add(folder)
  return folder
}

/**
 * Parley as in production: identity, store, limits, metrics, and its log in a file of `folder`. Only those limits are
 * raised that count by address, since the whole load comes from one, and by time, since they would be what is measured.
 */
export function startParley(folder: string, settings: Readonly<Record<string, string>> = {}): Promise<Subject> {
  return startDefaultParley(folder, {
    PARLEY_SIGN_INS_PER_MINUTE: '1000000',
    PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000000',
    // The bench of idle peers connects them all before the first registers.
    PARLEY_MAX_UNREGISTERED_CONNECTIONS: '1000000',
    PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '1000000',
    ...settings,
  })
}

/** Parley with every limit at its default, its data in `folder`. */
export function startDefaultParley(folder: string, settings: Readonly<Record<string, string>> = {}): Promise<Subject> {
  return start('Parley', join(import.meta.dir, '../../server/src/main.ts'), folder, {
    PARLEY_HTTP_PORT: '0',
    PARLEY_WS_PORT: '0',
    PARLEY_DATA_DIR: join(folder, 'data'),
    ...settings,
  })
}

export function startBareRelay(folder: string): Promise<Subject> {
  return start('bare', join(import.meta.dir, 'bare-relay.ts'), folder, {})
}

/** A process of the bench's own, which answers what it is asked. */
export interface Assistant {
  /** What it answers to `question`; without one, what it says first. @throws Error if it ends instead */
  ask<T>(question?: object): Promise<T>
  cpuSeconds(): number
  /** Kills it. */
  stop(): Promise<void>
}

/**
 * Runs a script of the bench in a process of its own, `niceness` steps nicer than this one. It answers each message that
 * its parent sends with one of its own, in order, and says one first when it is ready.
 */
export function startAssistant(script: string, args: readonly string[], niceness: number): Assistant {
  const replies: unknown[] = []
  let waiting: PromiseWithResolvers<void> | undefined
  const child = Bun.spawn(['nice', '-n', String(niceness), process.execPath, script, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc(message) {
      replies.push(message)
      waiting?.resolve()
    },
  })
  track(child)
  void child.exited.then(code => waiting?.reject(new Error(`${script} ended with ${code}`)))
  return {
    async ask<T>(question?: object) {
      waiting = Promise.withResolvers()
      if (child.exitCode !== null) throw new Error(`${script} has ended`)
      if (question) child.send(question)
      if (replies.length === 0) await waiting.promise
      waiting = undefined
      return replies.shift() as T
    },
    cpuSeconds: () => cpuSeconds(child.pid),
    async stop() {
      waiting = undefined
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

function track(child: Bun.Subprocess): void {
  running.add(child)
  void child.exited.then(() => running.delete(child))
}

async function start(name: string, script: string, folder: string, settings: Record<string, string>): Promise<Subject> {
  const inherited = Object.entries(process.env).filter(([variable]) => !/^(PARLEY|COGNITO|TURN|AWS)_/.test(variable))
  const log = join(folder, `${name}.log`)
  const child = Bun.spawn([process.execPath, script], {
    env: { ...Object.fromEntries(inherited), ...settings },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: Bun.file(log),
  })
  track(child)
  const urls = await readUrls(child.stdout)
  if (!urls.ws) throw new Error(`${name} did not start: ${readFileSync(log, 'utf8').slice(-2000)}`)
  return {
    name,
    ws: urls.ws,
    http: urls.http,
    pid: child.pid,
    cpuSeconds: () => cpuSeconds(child.pid),
    residentKib: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]),
    async stop() {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 6000)
      await child.exited
      clearTimeout(late)
    },
  }
}

/** The URLs that the server prints; `ws` is undefined if it ended before. */
async function readUrls(stdout: ReadableStream<Uint8Array>): Promise<{ ws?: string; http?: string }> {
  const reader = stdout.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    text += decoder.decode(value, { stream: true })
    const ws = /WebSocket +(ws:\S+)\n/.exec(text)?.[1]
    const http = /HTTP API +(http:\S+)\n/.exec(text)?.[1]
    if (ws) return { ws, ...(http && { http }) }
    if (done) return {}
  }
}

/** utime + stime of proc(5), fields 14 and 15, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
