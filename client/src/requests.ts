import type { ServerMessage } from '@parley/protocol'
import { ParleyError } from './errors.ts'
import type { Outgoing } from './messages.ts'

interface Pending {
  readonly id: string
  readonly text: string
  readonly resolve: (answer: ServerMessage) => void
  readonly reject: (error: ParleyError) => void
}

/** Bytes of one message that a server takes by default. Not read from the protocol's table, as all of that would come along. */
export const messageBytes = 1024 * 1024

/**
 * What a peer asks the server. Each request has exactly one outcome. Over a session, each arrives once: the server says how many it
 * has received, and only those behind them are sent again.
 */
export class Requests {
  #lastId = 0
  /** The id of the last one before those of this session: they are numbered as they are sent. */
  #offset = 0
  /** Sent and not answered, by request_id. */
  readonly #unanswered = new Map<string, Pending>()
  #waiting: Pending[] = []
  /** Undefined while there is no connection; what is asked waits. */
  send: ((text: string) => void) | undefined

  /**
   * Asks, as soon as there is a connection, in order.
   * @throws ParleyError MESSAGE_TOO_BIG; what it is rejected with
   */
  make(message: Outgoing): Promise<ServerMessage> {
    const id = String(this.#lastId + 1)
    const text = JSON.stringify({ ...message, request_id: id })
    return new Promise((resolve, reject) => {
      if (isTooBig(text)) return reject(new ParleyError('MESSAGE_TOO_BIG', `A message may have ${messageBytes} bytes.`))
      this.#lastId++
      this.#waiting.push({ id, text, resolve, reject })
      this.#flush()
    })
  }

  /** How many have been sent and have no answer. */
  get unanswered(): number {
    return this.#unanswered.size
  }

  /** The request with this id, which is answered now. */
  answered(id = ''): Pick<Pending, 'resolve' | 'reject'> | undefined {
    const pending = this.#unanswered.get(id)
    this.#unanswered.delete(id)
    return pending
  }

  /**
   * There is a connection, by which what waits is sent. Either a session begins, and what is sent from now on counts; or one goes on
   * of which the server has `received` so many, and the others are sent again before.
   */
  attach(send: (text: string) => void, received?: number): void {
    this.send = send
    if (received === undefined) this.#offset = this.#lastId - this.#waiting.length
    else for (const { id, text } of this.#unanswered.values()) if (+id > this.#offset + received) send(text)
    this.#flush()
  }

  #flush(): void {
    if (!this.send) return
    for (const pending of this.#waiting.splice(0)) {
      this.#unanswered.set(pending.id, pending)
      this.send(pending.text)
    }
  }

  /** The session is over: what was sent may have arrived or not. */
  rejectSent(error: ParleyError): void {
    for (const { reject } of this.#unanswered.values()) reject(error)
    this.#unanswered.clear()
  }

  /** There will be no connection any more. */
  rejectAll(error: ParleyError): void {
    this.rejectSent(error)
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** Whether the text would have more bytes in UTF-8 than the server takes. */
const isTooBig = (text: string): boolean =>
  text.length * 3 > messageBytes && new TextEncoder().encode(text).length > messageBytes
