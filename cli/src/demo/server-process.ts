import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { isExecutable } from '../executable.ts'
import { Failure } from '../failure.ts'
import { findServer } from './find-server.ts'

export interface ServerProcess {
  readonly httpUrl: string
  readonly wsUrl: string
  /** Resolves when it has ended. */
  stop(): Promise<void>
}

const advice = `Start one with “${isExecutable ? 'parley serve' : 'npm start'}”, and give it --server URL.`

/** Milliseconds that it may take to start; Bun has to read all of it. */
const startWithin = 20_000

/** Milliseconds that it may take to end. */
const endWithin = 5_000

/**
 * Starts the server that belongs to this program on free ports of loopback. Resolves when it listens.
 * @param dataDir its folder, which is not removed
 * @throws Failure
 */
export async function startServer(dataDir: string): Promise<ServerProcess> {
  const { program, args, cwd } = findServer()
  // What configures another server is not for this one.
  const foreign = Object.entries(process.env).filter(([name]) => !/^(PARLEY|COGNITO|TURN)_/.test(name))
  const settings = { PARLEY_HOST: '127.0.0.1', PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0', PARLEY_DATA_DIR: dataDir }
  const env = { ...Object.fromEntries(foreign), ...settings }
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    const { httpPort, wsPort } = await listening(child)
    return {
      httpUrl: `http://127.0.0.1:${httpPort}`,
      wsUrl: `ws://127.0.0.1:${wsPort}`,
      async stop() {
        const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
        child.kill('SIGTERM')
        const isOver = await Promise.race([
          ended?.then(() => true) ?? true,
          setTimeout(endWithin, false, { ref: false }),
        ])
        if (!isOver) kill()
        process.off('exit', kill)
      },
    }
  } catch (error) {
    kill()
    throw error
  }
}

/** What the server's log says when it is ready. */
interface Listening {
  readonly httpPort: number
  readonly wsPort: number
}

/** @throws Failure with what the server has said, if it ends or takes too long */
async function listening(child: ChildProcess): Promise<Listening> {
  const said: string[] = []
  const failed = (what: string, cause?: unknown) =>
    new Failure('NO_SERVER', [what, ...said].join(' '), advice, { cause })
  return new Promise((resolve, reject) => {
    const timer = globalThis.setTimeout(() => reject(failed('The server does not start.')), startWithin)
    child.once('error', error => reject(failed('The server cannot be started.', error)))
    // Behind all that it has said.
    child.once('close', () => reject(failed('The server has ended instead of starting.')))
    if (!child.stderr) return
    createInterface({ input: child.stderr }).on('line', line => {
      const event = parse(line)
      if (!event) said.push(line)
      else if (event.msg === 'listening') {
        clearTimeout(timer)
        resolve(event)
      }
    })
  })
}

/** A line of the log; undefined if it is something else. */
function parse(line: string): (Listening & { readonly msg: string }) | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
