import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'

type Source = string | ArrayBuffer | ArrayBufferView

const bytesOf = (data: Source): string | Uint8Array => {
  if (typeof data === 'string') return data
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}

/** SHA-256, and HMAC with a secret, in the form in which the AWS SDK takes it. */
export class Sha256 {
  #state: Hash | Hmac

  constructor(private readonly secret?: Source) {
    this.#state = this.#begin()
  }

  update(data: Uint8Array): void {
    this.#state.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#state.digest()
  }

  reset(): void {
    this.#state = this.#begin()
  }

  #begin(): Hash | Hmac {
    return this.secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(this.secret))
  }
}
