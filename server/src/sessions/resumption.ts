import { randomBytes } from 'node:crypto'
import { sameSecret } from '../rooms/secrets.ts'
import { type KeptMemory, Replay } from './replay.ts'

/** What makes a session outlive its connection. */
export class Resumption {
  readonly replay: Replay
  token = newToken()
  /** The one before, until the other end has shown that it knows the present one. */
  #formerToken: string | undefined
  /** Frames of the other end that were taken up. */
  received = 0
  /** The number of a frame on its connection, less its number here. */
  #offset = 0

  constructor(memory: KeptMemory) {
    this.replay = new Replay(memory)
  }

  countFrom(offset: number): void {
    this.#offset = offset
  }

  /** A frame of the other end has come. */
  count(): void {
    this.received++
    this.#formerToken = undefined
  }

  confirmed(written: number): void {
    this.replay.confirm(written - this.#offset)
  }

  knows(token: string): boolean {
    return sameSecret(token, this.token) || (this.#formerToken !== undefined && sameSecret(token, this.#formerToken))
  }

  /** @param used the one that was shown: the answer that tells the new one can be lost */
  renewToken(used: string): void {
    this.#formerToken = used
    this.token = newToken()
  }
}

const newToken = (): string => randomBytes(16).toString('base64url')
