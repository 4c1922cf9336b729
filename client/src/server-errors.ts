import type { Bye, ErrorMessage } from '@parley/protocol'
import { ParleyError } from './errors.ts'

/** What the server said in an `error`. */
export const errorOf = ({ code, message, retryable, retry_after, undelivered }: ErrorMessage): ParleyError =>
  new ParleyError(code, message, { retryable, retryAfter: retry_after, undelivered })

/** Close codes from 4500 to 4999, the last that there is, mean "do not come back", whatever a newer server means by them. */
const mayComeBack = (closeCode: number): boolean => closeCode < 4500

/** What the server said before it closed the connection. */
export const byeError = ({ code, message, close_code, retry_after }: Bye): ParleyError =>
  new ParleyError(code, message, { retryable: mayComeBack(close_code), retryAfter: retry_after })

/**
 * The connection has ended, and the server has not said why.
 * @param code of RFC 6455 section 7.4, or Parley's own
 * @param isNew whether it had never been open
 */
export function closeError(wsUrl: string, code: number, reason: string, isNew: boolean): ParleyError {
  const hint = isNew && code === 1006 ? originHint(wsUrl) : ''
  const sentence = reason || `The connection to ${wsUrl} has ended (${code}).${hint}`
  return new ParleyError('DISCONNECTED', sentence, { retryable: mayComeBack(code) })
}

/**
 * A further sentence for a page that cannot reach the server: browsers do not tell pages that they were refused.
 * Empty elsewhere, and for pages that come from the server itself.
 */
export function originHint(url: string): string {
  const { origin } = globalThis as { origin?: unknown }
  if (typeof origin !== 'string' || origin.endsWith(`//${new URL(url).host}`)) return ''
  return ` If it is running, PARLEY_ALLOWED_ORIGINS may lack ${origin}.`
}

/** The room was left; nothing can be asked of it any more. */
export const left = (): ParleyError => new ParleyError('LEFT', 'This peer has left the room.')

/** Whatever the platform has thrown, as when the address of the WebSocket is one that a page may not use. */
export const asParleyError = (error: unknown): ParleyError =>
  error instanceof ParleyError ? error : new ParleyError('DISCONNECTED', String(error), { cause: error })

/** Errors of `register` that pass by themselves, although the table calls them final: a connection that died counts for a while. */
const passing: readonly string[] = ['PEER_ID_TAKEN', 'INTERNAL']

/** Whether it makes sense to connect again. */
export const mayPass = ({ code, retryable }: ParleyError): boolean => retryable || passing.includes(code)
