import { get } from 'node:http'

/** How long the server may take to answer. Milliseconds. */
const patience = 3_000

/**
 * Asks the server at `url` (`http://host:port`) whether its process is alive, past any proxy: `fetch` would send the
 * question to the one in `HTTP_PROXY`.
 * @returns what is wrong, in sentences: none if it is
 */
export function healthcheck(url: string): Promise<string[]> {
  return new Promise(resolve => {
    const signal = AbortSignal.timeout(patience)
    const request = get(`${url}/livez`, { agent: false, signal }, response => {
      response.resume()
      resolve(response.statusCode === 200 ? [] : [`${url}/livez answers ${response.statusCode}.`])
    })
    request.on('error', error => {
      const why = 'code' in error ? String(error.code) : error.message
      resolve([signal.aborted ? `${url} does not answer within ${patience} ms.` : `${url} cannot be reached (${why}).`])
    })
  })
}
