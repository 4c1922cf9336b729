import { ParleyError } from '../errors.ts'
import { invisible } from './file-name.ts'
import type { Frame } from './protocol.ts'

/** Why a file cannot be read or written, by the `code` of Node's errors and the `name` of the browsers'. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/ENOSPC|EDQUOT|Quota/, 'the disk is full'],
  [/EACCES|EPERM|EROFS|NotAllowed/, 'that is not permitted'],
  [/ENOENT|NotFound/, 'it is not there any more'],
  [/NotReadable/, 'it has changed, or may not be read any more'],
]

export const cannotKeep = 'The receiver could not keep the file'

/**
 * The sentence for both sides. It names the cause but nothing of the other's disk, as errors of Node do with their paths.
 * A ParleyError of a source or sink is passed on as it is.
 */
export function couldNot(what: string, cause: unknown): ParleyError {
  if (cause instanceof ParleyError) return cause
  const { code, name } = (cause ?? {}) as { code?: unknown; name?: unknown }
  const reason = reasons.find(([pattern]) => pattern.test(`${code} ${name}`))?.[1]
  return new ParleyError('FILE_FAILED', `${what}${reason ? `: ${reason}` : ''}.`, { cause })
}

export const errorFrame = ({ code, message }: ParleyError): Frame => ({
  type: 'error',
  code,
  message: message.slice(0, 500),
})

const codes: readonly string[] = ['DECLINED', 'ABORTED', 'FILE_FAILED', 'CORRUPTED', 'TIMEOUT']

/** What the other side says went wrong. The sentence is its own, so it is not to be trusted with a terminal. */
export const errorOf = ({ code, message }: Frame & { type: 'error' }): ParleyError =>
  new ParleyError(codes.includes(code) ? code : 'FILE_FAILED', message.replace(invisible, ''), { retryable: false })

export const lost = (): ParleyError =>
  new ParleyError('CHANNEL_CLOSED', 'The connection was lost before all of the file had arrived.', { retryable: true })

/** Whether it is only the connection that has failed: the file may go on some time. */
export const isLost = (error: unknown): error is ParleyError =>
  error instanceof ParleyError && error.code === 'CHANNEL_CLOSED'

/**
 * Ends a transfer when the receiver cancels it. A reason that says only that the connection was lost stays one that may pass.
 * @returns what listens no more
 */
export function onCancel(signal: AbortSignal | undefined, end: (error: ParleyError) => void): () => void {
  const cancel = () => {
    const reason = signal?.reason
    end(isLost(reason) ? reason : new ParleyError('ABORTED', 'The receiver has cancelled the file.', { cause: reason }))
  }
  signal?.addEventListener('abort', cancel)
  if (signal?.aborted) cancel()
  return () => signal?.removeEventListener('abort', cancel)
}

/** Calls somebody else's function. What it throws is reported as the error of an event listener, and stops nothing. */
export function notify<Value>(listener: ((value: Value) => void) | undefined, value: Value): void {
  try {
    listener?.(value)
  } catch (error) {
    report(error)
  }
}

/** Lets the platform report an error that nobody waits for. */
export const report = (error: unknown): void =>
  queueMicrotask(() => {
    throw error
  })
