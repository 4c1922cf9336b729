import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'
import type { Message } from './plain-peer.ts'

/** The Python that Debian installs aiortc for; another one may come first on the PATH. */
export const python = '/usr/bin/python3'

/** A program with aiortc, running. */
export interface AiortcProcess {
  /** The next event, which must be the one that is expected. */
  expect(event: string): Promise<Message>
  /** Writes a line to its standard input. */
  tell(line: string): void
  /** Resolves with the exit code and what it said on standard error. */
  readonly ended: Promise<{ code: number | null; stderr: string }>
}

/** Starts `aiortc-peer.py` as that describes; it ends with the test at the latest. */
export const startAiortc = (...args: string[]): AiortcProcess => start('aiortc-peer.py', args)

/** The same with `aiortc-file-peer.py`. */
export const startAiortcFilePeer = (...args: string[]): AiortcProcess => start('aiortc-file-peer.py', args)

/** The same with `deployed-worker.py`. */
export const startDeployedWorker = (...args: string[]): AiortcProcess => start('deployed-worker.py', args)

/** The same with `aiortc-echo-peer.py`. */
export const startAiortcEchoPeer = (...args: string[]): AiortcProcess => start('aiortc-echo-peer.py', args)

function start(program: string, args: readonly string[]): AiortcProcess {
  const child = spawn(python, [join(import.meta.dir, program), ...args])
  const events = new Inbox<Message>()
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', line => events.push(JSON.parse(line)))
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(() => {
    events.close(new Error(`${program} ended with code ${child.exitCode}: ${stderr}`))
    return { code: child.exitCode, stderr }
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    async expect(event) {
      const next = await events.next()
      if (next.event !== event) throw new Error(`Expected ${event} from ${program}, got ${JSON.stringify(next)}`)
      return next
    },
    tell: line => void child.stdin.write(`${line}\n`),
    ended,
  }
}
