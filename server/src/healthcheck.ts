import { get } from 'node:http'
import { get as getWithTls } from 'node:https'

/** How long the server may take to answer. Milliseconds. */
const patience = 3_000

/**
 * Asks the server at `url` (`http://host:port`, `https:` too) whether its process is alive, past any proxy: `fetch` would
 * send the question to the one in `HTTP_PROXY`. Its certificate is for another name than that of this machine, and the
 * question and its answer are no secret, so any will do.
 * @returns what is wrong, in sentences: none if it is
 */
export function healthcheck(url: string): Promise<string[]> {
  return new Promise(resolve => {
    const signal = AbortSignal.timeout(patience)
    const ask = url.startsWith('https:') ? getWithTls : get
    const options = { agent: false, signal, rejectUnauthorized: false } as const
    const request = ask(`${url}/livez`, options, response => {
      response.resume()
      resolve(response.statusCode === 200 ? [] : [`${url}/livez answers ${response.statusCode}.`])
    })
    request.on('error', error => {
      const why = 'code' in error ? String(error.code) : error.message
      resolve([signal.aborted ? `${url} does not answer within ${patience} ms.` : `${url} cannot be reached (${why}).`])
    })
  })
}
