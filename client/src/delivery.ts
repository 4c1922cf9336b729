import type { ConnectionParts } from './connection-types.ts'
import type { ParleyError } from './errors.ts'

/** Milliseconds before something is sent again that the other peer's full queue has refused. */
const retryAfter = 1_000

/** How one message of a negotiation is to be sent. */
export interface DeliveryOptions {
  /** Whether it need not arrive any more. */
  isOutdated(): boolean
  /** Whether it is a call to a peer that may not be there. */
  isCall(): boolean
}

/** Sends what a negotiation says to the other peer, by way of the server. */
export class Delivery {
  /** Registrations of this peer before the start. */
  readonly #registrations: number

  constructor(
    private readonly peerId: string,
    private readonly parts: ConnectionParts,
    private readonly ended: AbortSignal,
  ) {
    this.#registrations = parts.registrations()
  }

  /**
   * Sends it, and again whenever the connection to the server has broken, until it is out of date. Resolves with whether the
   * server has handed it on. @throws ParleyError if it never will
   */
  async send(attempt: () => Promise<void>, options: DeliveryOptions): Promise<boolean> {
    while (!options.isOutdated()) {
      try {
        await attempt()
        return true
      } catch (error) {
        if (!(await this.#isWorthAnother(error as ParleyError, options.isCall())) && !options.isOutdated()) throw error
      }
    }
    return false
  }

  /** Waits until it makes sense to send again. False: it never will. */
  async #isWorthAnother({ code }: ParleyError, isCall: boolean): Promise<boolean> {
    switch (code) {
      case 'DISCONNECTED':
        // What is sent waits for the connection.
        return true
      case 'PEER_NOT_FOUND':
        // A server that has restarted does not know yet who is about to come back.
        if (isCall && this.#registrations === this.parts.registrations()) return false
        await this.parts.arrival(this.peerId, this.ended)
        return true
      case 'DELIVERY_FAILED':
        await new Promise<void>(resolve => this.parts.clock.after(retryAfter, resolve))
        return true
      default:
        return false
    }
  }
}
