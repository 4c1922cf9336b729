import { SignalingError } from '@parley/protocol'
import type { Context } from 'hono'
import type { ZodType } from 'zod'

/** JSON that begins with a byte order mark is read without it (RFC 8259 section 8.1). */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * What the bytes of a body say, whatever its Content-Type; it may be missing where `schema` takes an empty object.
 * @throws SignalingError INVALID_JSON, or INVALID_MESSAGE naming all that is wrong
 */
export function readBody<T>(bytes: ArrayBuffer, schema: ZodType<T>): T {
  let value: unknown = {}
  try {
    const text = utf8.decode(bytes)
    if (text !== '') value = JSON.parse(text)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', 'The body is not JSON in UTF-8.', { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map(issue => [issue.path.join('.'), issue.message].filter(Boolean).join(': '))
  throw new SignalingError('INVALID_MESSAGE', faults.join('; '))
}

/** Whether reading the body failed because the client has gone: nobody is left to answer, and nothing is wrong here. */
export const isAbort = (error: unknown, { aborted }: AbortSignal): boolean =>
  aborted && error instanceof Error && error.name === 'AbortError'

/** Bytes of the body, of which there may be `most`; where the request does not say how many there are, that many. */
export function bytesToRead({ req }: Context, most: number): number {
  const length = req.header('Content-Length')
  if (length === undefined) return req.header('Transfer-Encoding') === undefined ? 0 : most
  return Math.min(Number(length) || 0, most)
}
