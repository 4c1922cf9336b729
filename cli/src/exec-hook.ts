import { type ChildProcess, spawn } from 'node:child_process'
import { systemFailure, UsageError } from './failure.ts'
import type { Output } from './output.ts'
import { printSeconds } from './progress.ts'
import { printable } from './terminal.ts'
import { splitWords } from './words.ts'

/** A file that was received and is complete. */
export interface KeptFile {
  /** Absolute. */
  readonly path: string
  readonly peer: string
  readonly sha256: string
}

/** Milliseconds that a command may take to end when it is asked to. */
const endWithin = 3_000

/**
 * Runs a command for each received file, one at a time, in the order in which they have come. There is no shell, so nothing
 * in the name of a file can become a command.
 */
export class ExecHook {
  readonly #words: readonly string[]
  #last: Promise<void> = Promise.resolve()
  #child: ChildProcess | undefined
  #isStopped = false
  #failures = 0

  /** @param command in which {} stands for the path; without it the path is the last argument @throws UsageError */
  constructor(
    command: string,
    private readonly out: Output,
  ) {
    const words = splitWords(command)
    if (words.length === 0) throw new UsageError('--exec needs a command.', 'worker')
    this.#words = words.some(word => word.includes('{}')) ? words : [...words, '{}']
  }

  /** How many have failed. */
  get failures(): number {
    return this.#failures
  }

  /** Runs it for this file when those before have ended. */
  add(file: KeptFile): void {
    this.#last = this.#last.then(() => this.#run(file))
  }

  /** Resolves when it has been run for all files. */
  idle(): Promise<void> {
    return this.#last
  }

  /** Ends the command that runs, and runs no other. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const child = this.#child
    if (child) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), endWithin)
      await this.#last
      clearTimeout(timer)
    } else await this.#last
  }

  async #run(file: KeptFile): Promise<void> {
    const { path, peer, sha256 } = file
    const name = printable(path)
    if (this.#isStopped) {
      this.out.news({ event: 'exec_skipped', path, peer }, `The command was not run any more for ${name}.`)
      return
    }
    const [program = '', ...args] = this.#words.map(word => word.replaceAll('{}', () => path))
    const start = performance.now()
    this.out.news({ event: 'exec_started', path, peer }, ({ dim }) => dim(`running ${program} for ${name}`))
    const { code, signal, error } = await this.#spawned(program, args, {
      PARLEY_FILE: path,
      PARLEY_PEER: peer,
      PARLEY_SHA256: sha256,
    })
    const ms = Math.round(performance.now() - start)
    if (code !== 0) this.#failures++
    const reason = error ? systemFailure(`${program} cannot be run`, error).message : undefined
    this.out.news({ event: 'exec_ended', path, peer, code, signal, ms, ...(reason && { message: reason }) }, paint => {
      if (reason) return `${paint.red('✗')} ${reason}`
      const how = signal === null ? `exit code ${code}` : signal
      const mark = code === 0 ? paint.green('✓') : paint.red('✗')
      return `${mark} ${program} has ended for ${name}: ${how}, after ${printSeconds(ms / 1000)}`
    })
  }

  #spawned(
    program: string,
    args: readonly string[],
    settings: Record<string, string>,
  ): Promise<{ code: number | null; signal: string | null; error?: unknown }> {
    return new Promise(resolve => {
      // What it says goes to standard error: standard output belongs to this program.
      const child = spawn(program, args, { stdio: ['ignore', 2, 2], env: { ...process.env, ...settings } })
      this.#child = child
      child.once('error', error => resolve({ code: null, signal: null, error }))
      child.once('exit', (code, signal) => {
        this.#child = undefined
        resolve({ code, signal })
      })
    })
  }
}
