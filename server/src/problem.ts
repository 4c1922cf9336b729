import { STATUS_CODES } from 'node:http'
import type { SignalingError } from '@parley/protocol'

/** Seconds that a client should wait when the error does not say. */
const defaultRetryAfter = 5

/** The response for an error: problem details (RFC 9457), whose `detail` deployed clients print. */
export function problem(error: SignalingError, headers: Record<string, string> = {}): Response {
  const { httpStatus, retryable } = error.kind
  const body = {
    type: 'about:blank',
    title: STATUS_CODES[httpStatus],
    status: httpStatus,
    detail: error.message,
    code: error.code,
    retryable,
  }
  const retryAfter = error.context.retryAfter ?? (httpStatus === 503 ? defaultRetryAfter : undefined)
  return new Response(JSON.stringify(body), {
    status: httpStatus,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      // RFC 6750 section 3
      ...(httpStatus === 401 && { 'WWW-Authenticate': 'Bearer realm="parley", error="invalid_token"' }),
      ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
      ...headers,
    },
  })
}
