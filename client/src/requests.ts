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

/** What a peer asks the server. Each request has exactly one outcome; nothing is sent twice. */
export class Requests {
  #lastId = 0
  /** Sent and not answered, by request_id. */
  readonly #unanswered = new Map<string, Pending>()
  #waiting: Pending[] = []

  /**
   * Asks, or waits until `flush`, in order.
   * @param send undefined while there is no connection
   * @throws ParleyError MESSAGE_TOO_BIG; what it is rejected with
   */
  make(message: Outgoing, send?: (text: string) => void): Promise<ServerMessage> {
    const id = String(++this.#lastId)
    const text = JSON.stringify({ ...message, request_id: id })
    return new Promise((resolve, reject) => {
      const pending = { id, text, resolve, reject }
      if (isTooBig(text)) reject(new ParleyError('MESSAGE_TOO_BIG', `A message may have ${messageBytes} bytes.`))
      else if (send) this.#send(pending, send)
      else this.#waiting.push(pending)
    })
  }

  /** The request with this id, which is answered now. */
  answered(id: string): Pick<Pending, 'resolve' | 'reject'> | undefined {
    const pending = this.#unanswered.get(id)
    this.#unanswered.delete(id)
    return pending
  }

  /** Sends what waits. */
  flush(send: (text: string) => void): void {
    for (const pending of this.#waiting.splice(0)) this.#send(pending, send)
  }

  /** The connection has broken: what was sent may have arrived or not. */
  rejectSent(error: ParleyError): void {
    const unanswered = [...this.#unanswered.values()]
    this.#unanswered.clear()
    for (const { reject } of unanswered) reject(error)
  }

  /** There will be no connection any more. */
  rejectAll(error: ParleyError): void {
    this.rejectSent(error)
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #send(pending: Pending, send: (text: string) => void): void {
    this.#unanswered.set(pending.id, pending)
    send(pending.text)
  }
}

/** Whether the text would have more bytes in UTF-8 than the server takes. */
const isTooBig = (text: string): boolean =>
  text.length * 3 > messageBytes && new TextEncoder().encode(text).length > messageBytes
