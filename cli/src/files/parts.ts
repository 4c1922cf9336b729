import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../system-errors.ts'
import { isLeftBehind, Journal, journalPrefix, type Part, readJournal } from './part-journal.ts'

/** Milliseconds after which a part that nothing was written to is removed: a week. */
export const partsLast = 7 * 24 * 3_600_000

/** What was left of a file. */
export interface PartState {
  readonly part: Part
  /** Bytes that it has. */
  readonly bytes: number
  /** Milliseconds since it was written to. */
  readonly age: number
}

/**
 * The incomplete files of a folder that belong to this program. Each program keeps a journal of its own there while it has
 * some; from that of a program that has ended, others take over what it has left, and of several only one gets it. What
 * stands in no journal is not touched, whatever its name.
 */
export class Parts {
  #journal: Journal | undefined
  /** Of this program, by their paths. */
  readonly #own = new Map<string, Part>()
  /** Those of them that no transfer has at the moment, and how much they have. */
  readonly #idle = new Map<Part, number>()
  #search: Promise<unknown> = Promise.resolve()

  /** @param folder absolute */
  constructor(readonly folder: string) {}

  /** Takes over what programs have left that have ended. Resolves with that. */
  find(): Promise<PartState[]> {
    // One search after the other: two would find the same.
    const found = this.#search.then(async () => {
      const states: PartState[] = []
      for (const journal of await this.#left()) states.push(...(await this.#takeOver(journal)))
      for (const { part, bytes } of states) this.leave(part, bytes)
      return states
    })
    this.#search = found.catch(() => {})
    return found
  }

  /** Removes those that are too old. Resolves with them. */
  async removeOld(states: readonly PartState[]): Promise<PartState[]> {
    const old = states.filter(({ age }) => age > partsLast)
    for (const { part } of old) {
      await rm(this.pathOf(part), { force: true })
      this.drop(part)
    }
    return old
  }

  /** What there is of a file, for one transfer: the longest part. */
  take(file: string, size: number): Part | undefined {
    const fitting = [...this.#idle].filter(([part]) => part.file === file && part.size === size && this.has(part))
    const [[part] = []] = fitting.sort(([, a], [, b]) => b - a)
    if (part) this.#idle.delete(part)
    return part
  }

  /** Whether there is something to take. */
  hasLeft(file: string, size: number): boolean {
    return [...this.#idle.keys()].some(part => part.file === file && part.size === size)
  }

  /** From now on this file belongs to this program. Call it before anything is written to it. @throws Error of Node */
  add(part: Part): void {
    this.#journal ??= new Journal(join(this.folder, `${journalPrefix}${randomBytes(6).toString('hex')}`))
    this.#journal.add(part)
    this.#own.set(part.path, part)
  }

  /** Whether it still belongs to this program; another one takes over from one that was stopped for long. */
  has(part: Part): boolean {
    if (this.#journal && !existsSync(this.#journal.path)) this.#forget()
    return this.#own.get(part.path) === part
  }

  /** No transfer has it any more; another one may go on with it. */
  leave(part: Part, bytes: number): void {
    if (this.has(part)) this.#idle.set(part, bytes)
  }

  /** It is complete, or gone. */
  drop(part: Part): void {
    if (!this.has(part)) return
    this.#own.delete(part.path)
    this.#idle.delete(part)
    this.#journal?.drop(part)
    if (this.#own.size > 0) return
    this.#journal?.remove()
    this.#journal = undefined
  }

  pathOf(part: Part): string {
    return join(this.folder, ...part.path.split('/'))
  }

  #forget(): void {
    this.#journal?.close()
    this.#journal = undefined
    this.#own.clear()
    this.#idle.clear()
  }

  /** The journals of programs that have ended. */
  async #left(): Promise<string[]> {
    const names = (await readdir(this.folder)).filter(name => name.startsWith(journalPrefix))
    const paths = names.map(name => join(this.folder, name)).filter(path => path !== this.#journal?.path)
    const are = await Promise.all(paths.map(isLeftBehind))
    return paths.filter((_, i) => are[i])
  }

  async #takeOver(journal: string): Promise<PartState[]> {
    const states: PartState[] = []
    for (const part of await readJournal(journal)) {
      const state = this.#own.has(part.path) ? undefined : await this.#stateOf(part)
      if (state) states.push(state)
    }
    // They stand in both journals for a moment. It is removed by one program only, and that has them.
    for (const { part } of states) this.add(part)
    try {
      rmSync(journal)
      return states
    } catch (error) {
      for (const { part } of states) this.drop(part)
      if (systemCode(error) === 'ENOENT') return []
      throw error
    }
  }

  /** Undefined if it is gone, or another file has its name by now. Links are not followed. */
  async #stateOf(part: Part): Promise<PartState | undefined> {
    try {
      const above = part.path.split('/').slice(0, -1)
      for (const i of above.keys()) {
        if (!(await lstat(join(this.folder, ...above.slice(0, i + 1)))).isDirectory()) return undefined
      }
      const found = await lstat(this.pathOf(part))
      if (!found.isFile() || found.ino !== part.ino) return undefined
      return { part, bytes: found.size, age: Date.now() - found.mtimeMs }
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return undefined
      throw error
    }
  }
}
