import { afterAll, describe, onTestFinished } from 'bun:test'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

/** Declares tests that need it. Without it they are skipped, under a name that says so. */
export const describeWithRedis = (name: string, body: () => void): void =>
  describe.skipIf(!hasRedis)(hasRedis ? name : `${name} (not on this machine: redis-server)`, body)

/** A Redis of its own, on a socket in a folder that is removed at the end. */
export interface RedisProcess {
  readonly url: string
  /** Ends it at once, and with it what is not on its disk, where it keeps nothing. */
  kill(): Promise<void>
  /** Starts it again at the same place. */
  start(): Promise<void>
  /** SIGSTOP has it hang, SIGCONT go on. */
  signal(name: NodeJS.Signals): void
}

/**
 * Starts one, which ends with the test that has started it, or with all tests of the file.
 * @param options further ones of its command line
 */
export async function startRedis(...options: readonly string[]): Promise<RedisProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  const socket = join(folder, 'redis.sock')
  let child: ChildProcess | undefined
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const start = async () => {
    const started = spawn(
      'redis-server',
      ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', ...options],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    child = started
    for await (const line of createInterface({ input: started.stdout }))
      if (/ready to accept connections/i.test(line)) break
    started.stdout.resume()
  }
  const end = async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    onTestFinished(end)
  } catch {
    // Not within a test, so for all of them.
    afterAll(end)
  }
  await start()
  return { url: `redis+unix://${socket}`, kill, start, signal: name => void child?.kill(name) }
}
