import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'

/** A running program. */
export interface Program {
  /** Lines of its standard output, as they come. */
  readonly lines: Inbox<string>
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

export interface ProgramOptions {
  readonly cwd: string
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program, which ends with the test at the latest. */
export function startProgram({ cwd, env }: ProgramOptions, command: string, ...args: string[]): Program {
  const child = spawn(command, args, {
    ...{ cwd, env: { ...process.env, ...env }, detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = new Inbox<string>()
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const ended = once(child, 'close').then(() => {
    lines.close(new Error(`${command} ${args.join(' ')} has ended with code ${child.exitCode}: ${stderr}`))
    return { code: child.exitCode, stderr }
  })
  onTestFinished(async () => {
    // Its whole group: npx has started others, and `ended` waits for all that hold its streams.
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // There is none any more.
    }
    await ended
  })
  return { lines, signal: name => void child.kill(name), ended }
}
