import type { Bye, ServerMessage } from '@parley/protocol'
import { ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'
import { byeError, closeError } from './server-errors.ts'
import type { SignalingOptions } from './signaling-types.ts'

/** Milliseconds from the start of an attempt to the answer to `register`; the server itself answers within 5 s. */
const registerWithin = 15_000

/** Milliseconds without a message after which a connection is tested, and that the test may take. */
const testAfter = 20_000
const answerWithin = 10_000

/** Milliseconds that the end of a WebSocket is waited for; without a network it may take long. */
const closedWithin = 2_000

export interface SocketListener {
  opened(): void
  heard(message: ServerMessage | IncomingSignal): void
  /** It is of no use any more, and has to be closed. */
  failed(error: ParleyError): void
  /** Nothing has come for some time: whatever the server says shows that it is still there. */
  ask(): void
}

/** A WebSocket to the server. */
export interface ServerSocket {
  send(text: string): void
  /** Fails if the server does not say anything now. */
  test(): void
  /**
   * Tells the listener nothing any more. Resolves when the server has seen the end, or the network has kept it from that for too long.
   * @param code of RFC 6455 section 7.4; by default one that does not say that the peer leaves its room
   */
  close(code?: number): Promise<void>
}

/** Opens one. @throws what the platform does, as when the address is one that a page may not use */
export function openSocket({ WebSocket, wsUrl, clock }: SignalingOptions, listener: SocketListener): ServerSocket {
  const socket = new WebSocket(wsUrl)
  let isNew = true
  let bye: Bye | undefined
  let cancel = () => {}
  const plan = (ms: number, act: () => void) => {
    cancel()
    cancel = clock.after(ms, act)
  }
  /** A connection can die without a word, as when the network has changed; a page does not see the server's pings. */
  const test = () => {
    plan(answerWithin, () => listener.failed(new ParleyError('DISCONNECTED', 'The server does not answer.')))
    listener.ask()
  }
  plan(registerWithin, () => listener.failed(new ParleyError('TIMEOUT', `${wsUrl} does not answer.`)))
  socket.onopen = () => {
    isNew = false
    listener.opened()
  }
  socket.onmessage = ({ data }) => {
    const message: ServerMessage | IncomingSignal = JSON.parse(String(data))
    if (message.type === 'bye') bye = message
    plan(testAfter, test)
    listener.heard(message)
  }
  socket.onclose = ({ code, reason }) => listener.failed(bye ? byeError(bye) : closeError(wsUrl, code, reason, isNew))
  // It says nothing of the cause, and a close event follows.
  socket.onerror = () => {}
  return {
    send: text => socket.send(text),
    test,
    close: (code = 4000) =>
      new Promise(resolve => {
        cancel()
        if (socket.readyState === socket.CLOSED) return resolve()
        cancel = clock.after(closedWithin, resolve)
        socket.onopen = socket.onmessage = null
        socket.onclose = () => {
          cancel()
          resolve()
        }
        socket.close(code)
      }),
  }
}
