import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Environment } from './command.ts'
import { Failure, systemFailure } from './failure.ts'
import { systemCode } from './system-errors.ts'

/** The refresh tokens by which servers know this user again, by the address of the server. */
interface Identities {
  readonly version: 1
  readonly refreshTokens: { readonly [httpUrl: string]: string }
}

/** Milliseconds that a program has the file for itself at most: a sign-in takes up to 25 s. */
const longestLock = 30_000
const lookAgainAfter = 50

const none: Identities = { version: 1, refreshTokens: {} }

/** Keeps who this user is to each server, in a file that nobody else may read. */
export class IdentityFile {
  constructor(readonly path: string) {}

  /** In `PARLEY_HOME`, or in the folder for settings. */
  static of({ PARLEY_HOME }: Environment): IdentityFile {
    const folder = PARLEY_HOME !== undefined && PARLEY_HOME !== '' ? PARLEY_HOME : join(homedir(), '.config', 'parley')
    return new IdentityFile(join(folder, 'identities.json'))
  }

  /** @throws Failure, if there is a file, but it cannot be read or understood */
  refreshToken(httpUrl: string): string | undefined {
    const { refreshTokens } = this.#read()
    return Object.hasOwn(refreshTokens, httpUrl) ? refreshTokens[httpUrl] : undefined
  }

  /**
   * Keeps the token. The file is exchanged as a whole, so it is never half written; it is read once more just before, for
   * another program may have kept that of another server meanwhile.
   * @throws Failure
   */
  keep(httpUrl: string, refreshToken: string): void {
    const { refreshTokens, ...rest } = this.#read()
    const text = JSON.stringify({ ...rest, refreshTokens: { ...refreshTokens, [httpUrl]: refreshToken } }, null, 2)
    const temporary = `${this.path}.${randomBytes(6).toString('hex')}`
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
      writeFileSync(temporary, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true })
      renameSync(temporary, this.path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw systemFailure(`${this.path} cannot be written`, error)
    }
  }

  /**
   * Does what needs the file for itself, while other programs wait. If the folder cannot have a lock, or another program has
   * it for too long, it is done all the same: at worst one of two identities is kept.
   */
  async alone<T>(act: () => Promise<T> | T): Promise<T> {
    const lock = `${this.path}.lock`
    const isLocked = await this.#lock(lock)
    try {
      return await act()
    } finally {
      if (isLocked) rmSync(lock, { force: true })
    }
  }

  async #lock(lock: string): Promise<boolean> {
    for (const giveUpAt = Date.now() + longestLock; ; await setTimeout(lookAgainAfter)) {
      try {
        mkdirSync(dirname(lock), { recursive: true, mode: 0o700 })
        writeFileSync(lock, `${process.pid}`, { mode: 0o600, flag: 'wx' })
        return true
      } catch (error) {
        if (systemCode(error) !== 'EEXIST' || Date.now() > giveUpAt) return false
      }
      if (isLeftBehind(lock)) rmSync(lock, { force: true })
    }
  }

  #read(): Identities {
    let text: string
    try {
      text = readFileSync(this.path, 'utf8')
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return none
      throw systemFailure(`${this.path} cannot be read`, error)
    }
    try {
      const identities: unknown = JSON.parse(text)
      if (isIdentities(identities)) return identities
    } catch {}
    throw new Failure(
      'INVALID_FILE',
      `${this.path} is not what “parley” has written.`,
      'Mend it or delete it; without it, “parley rooms” does not know your rooms of before. --anonymous does without.',
    )
  }
}

/** Whether the program that made the lock has ended without removing it. */
function isLeftBehind(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > longestLock) return true
    const pid = Number(readFileSync(lock, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
}

function isIdentities(value: unknown): value is Identities {
  const { version, refreshTokens } = (value ?? {}) as Partial<Record<keyof Identities, unknown>>
  return (
    version === 1 &&
    typeof refreshTokens === 'object' &&
    refreshTokens !== null &&
    Object.values(refreshTokens).every(token => typeof token === 'string')
  )
}
