import { codeOf, noConnection, printable, Trouble } from './trouble.ts'

export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Behind the server's address, with a slash before it. */
  readonly path: string
  readonly idToken?: string
  readonly body?: object
}

export interface Answer {
  readonly status: number
  /** An empty one, if the answer is no JSON object. */
  readonly body: { readonly [member: string]: unknown }
  /** Seconds of `Retry-After`. */
  readonly retryAfter: number | undefined
}

/** Characters of an answer that are read; Parley's are shorter. */
const mostCharacters = 65_536

/**
 * What the server answers, be it an error or not.
 * @throws Trouble, if that is no HTTP, or leads elsewhere
 */
export async function ask(httpUrl: string, request: Request, signal: AbortSignal): Promise<Answer> {
  const { method, path, idToken, body } = request
  let response: Response
  let text: string
  try {
    response = await fetch(`${httpUrl}${path}`, {
      method,
      signal,
      // A POST that is redirected becomes a GET; whoever runs into that should be told.
      redirect: 'manual',
      headers: {
        ...(idToken !== undefined && { Authorization: `Bearer ${idToken}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    text = await readText(response)
  } catch (error) {
    throw unanswered(error, httpUrl)
  }
  if (response.status >= 300 && response.status < 400) throw redirected(httpUrl, response.headers.get('Location'))
  return {
    status: response.status,
    body: objectIn(text),
    retryAfter: Number(response.headers.get('Retry-After')) || undefined,
  }
}

/**
 * The body of a successful answer.
 * @throws Trouble
 */
export async function succeed(httpUrl: string, request: Request, signal: AbortSignal): Promise<Answer['body']> {
  const answer = await ask(httpUrl, request, signal)
  if (answer.status >= 200 && answer.status < 300) return answer.body
  throw new Trouble(`${request.method} ${request.path} answers ${refusal(answer)}.`, adviceOn(answer))
}

/** The status, and what Parley says of the reason. */
export function refusal({ status, body: { code, detail } }: Answer): string {
  const reason = [code, detail].filter(text => typeof text === 'string').join(': ')
  return reason ? `${status} (${printable(reason).replace(/\.$/, '')})` : String(status)
}

function adviceOn({ status, retryAfter, body }: Answer): string {
  if (status === 429) {
    const pause = retryAfter === undefined ? 'a while' : `${retryAfter} s`
    return `Wait for ${pause} and try again. If there is a proxy, PARLEY_TRUSTED_PROXIES must name it: otherwise everybody shares its limits.`
  }
  if (typeof body.code !== 'string') {
    return 'This is not the answer of Parley: look into the log of the proxy, and whether it passes this path on.'
  }
  return status >= 500 ? 'Look into the log of the server.' : 'Compare the versions of this program and of the server.'
}

async function readText(response: Response): Promise<string> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true })
    // Leaving the loop ends the answer.
    if (text.length > mostCharacters) break
  }
  return text
}

function objectIn(text: string): Answer['body'] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** There was a connection before, so what is none of the known obstacles is a lack of HTTP. */
function unanswered(error: unknown, httpUrl: string): Error {
  const { host, protocol } = new URL(httpUrl)
  const code = codeOf(error)
  if (/^(E[A-Z]+|CERT_.*|.*_SIGNED_.*|UNABLE_.*|ERR_TLS.*)$/.test(code)) {
    // A server with TLS that is asked without.
    const closed = `If the server has TLS, the address must begin with https://. Otherwise look into its log, and that of the proxy.`
    return noConnection(error, host, protocol === 'http:' ? { closed } : {})
  }
  const other = protocol === 'http:' ? 'or an address with https://' : 'or an address with http://'
  return new Trouble(
    `What is at ${host} does not answer HTTP.`,
    `Give the address of Parley's HTTP API (port 8001), ${other}.`,
  )
}

function redirected(httpUrl: string, location: string | null): Trouble {
  let target = 'another address'
  try {
    target = new URL(location ?? '', httpUrl).origin
  } catch {}
  return new Trouble(`${new URL(httpUrl).origin} leads on to ${target}.`, `Use the address it leads to: ${target}.`)
}
