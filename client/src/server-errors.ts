import type { Bye, ErrorMessage } from '@parley/protocol'
import { ParleyError } from './errors.ts'

/** What the server said in an `error`. */
export const errorOf = ({ code, message, retryable, retry_after, undelivered }: ErrorMessage): ParleyError =>
  new ParleyError(code, message, { retryable, retryAfter: retry_after, undelivered })

/** Close codes from 4500 to 4999 mean "do not come back", whatever a newer server means by them. */
const isFinal = (closeCode: number): boolean => closeCode >= 4500 && closeCode <= 4999

/** What the server said before it closed the connection. */
export const byeError = ({ code, message, close_code }: Bye): ParleyError =>
  new ParleyError(code, message, { retryable: !isFinal(close_code) })

/** The connection has ended, and the server has not said why. @param code of RFC 6455 section 7.4, or Parley's own */
export const closeError = (wsUrl: string, code: number, reason: string): ParleyError =>
  new ParleyError('DISCONNECTED', reason || `The connection to ${wsUrl} has ended (${code}).`, {
    retryable: !isFinal(code),
  })

/** The room was left; nothing can be asked of it any more. */
export const left = (): ParleyError => new ParleyError('LEFT', 'This peer has left the room.')

/** Whatever the platform has thrown, as when the address of the WebSocket is one that a page may not use. */
export const asParleyError = (error: unknown): ParleyError =>
  error instanceof ParleyError ? error : new ParleyError('DISCONNECTED', String(error), { cause: error })
