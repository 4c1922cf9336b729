import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Environment } from './command.ts'
import { Failure, systemFailure } from './failure.ts'
import { systemCode } from './system-errors.ts'

/** The refresh tokens by which servers know this user again, by the address of the server. */
interface Identities {
  readonly version: 1
  readonly refreshTokens: { readonly [httpUrl: string]: string }
}

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

function isIdentities(value: unknown): value is Identities {
  const { version, refreshTokens } = (value ?? {}) as Partial<Record<keyof Identities, unknown>>
  return (
    version === 1 &&
    typeof refreshTokens === 'object' &&
    refreshTokens !== null &&
    Object.values(refreshTokens).every(token => typeof token === 'string')
  )
}
