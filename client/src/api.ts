import { orUndefined, ParleyError } from './errors.ts'
import { originHint } from './server-errors.ts'

/** Milliseconds that an HTTP request may take; the server itself answers within 5 s. */
const answerWithin = 10_000
/** The same of a sign-in, which the server answers within 25 s when many sign in at once. */
const signInWithin = 30_000

export interface Request {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Behind the server's address, with a slash before it. */
  readonly path: string
  readonly idToken?: string
  readonly body?: object
}

/**
 * Asks the HTTP API of docs/protocol.md. The answer is what the table there says of the path.
 * @throws ParleyError with the server's code; DISCONNECTED or TIMEOUT if there is no answer
 */
export async function ask<Answer>(httpUrl: string, { method, path, idToken, body }: Request): Promise<Answer> {
  let response: Response
  let text: string
  try {
    response = await fetch(`${httpUrl}${path}`, {
      method,
      headers: {
        ...(idToken !== undefined && { Authorization: `Bearer ${idToken}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      // Only a sign-in needs neither.
      signal: AbortSignal.timeout(body || idToken ? answerWithin : signInWithin),
    })
    text = await response.text()
  } catch (cause) {
    throw unanswered(httpUrl, cause)
  }
  const answer = orUndefined((): unknown => JSON.parse(text))
  if (!response.ok) throw refusal(response, answer)
  if (answer === undefined && response.status !== 204) {
    throw new ParleyError('DISCONNECTED', `What is at ${httpUrl} is not Parley.`, { retryable: false })
  }
  return answer as Answer
}

const unanswered = (httpUrl: string, cause: unknown): ParleyError =>
  (cause as Error).name === 'TimeoutError'
    ? new ParleyError('TIMEOUT', `${httpUrl} does not answer.`, { cause })
    : new ParleyError('DISCONNECTED', `${httpUrl} cannot be reached.${originHint(httpUrl)}`, { cause })

/** RFC 9457 problem details, with `code` and `retryable` beside them; or, from a proxy in between, nothing of it. */
function refusal(response: Response, body: unknown): ParleyError {
  const { code, detail, retryable } = (body ?? {}) as { code?: string; detail?: string; retryable?: boolean }
  const seconds = Number(response.headers.get('Retry-After'))
  return new ParleyError(code ?? 'DISCONNECTED', detail ?? `The server answered ${response.status}.`, {
    retryable: retryable ?? response.status >= 500,
    ...(seconds > 0 && { retryAfter: seconds }),
  })
}
