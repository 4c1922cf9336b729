import { SignalingError } from '@parley/protocol'
import type { Context } from 'hono'
import type { ZodType } from 'zod'

/**
 * The body, whatever its Content-Type; it may be missing where `schema` takes an empty object.
 * @throws SignalingError INVALID_JSON, or INVALID_MESSAGE naming all that is wrong
 */
export async function readBody<T>(c: Context, schema: ZodType<T>): Promise<T> {
  const text = await c.req.text()
  let value: unknown = {}
  try {
    if (text !== '') value = JSON.parse(text)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', 'The body is not JSON in UTF-8.', { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map(issue => [issue.path.join('.'), issue.message].filter(Boolean).join(': '))
  throw new SignalingError('INVALID_MESSAGE', faults.join('; '))
}
