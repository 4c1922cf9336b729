/** Bytes of a document of a provider; those in use have less than 32 KiB. */
const maxBytes = 262_144

/** An answer of another status than 200. */
export class UnexpectedStatus extends Error {
  constructor(
    url: string | URL,
    readonly status: number,
  ) {
    super(`${url} answered ${status}`)
  }
}

/**
 * The JSON object at `url` itself: no redirect is followed.
 * @param heard is called with the headers of the answer, whatever that is
 * @throws Error if there is none, or it is too big
 */
export async function fetchObject(
  url: string | URL,
  until: AbortSignal,
  heard: (headers: Headers) => void = () => {},
): Promise<object> {
  const reading = new AbortController()
  const signal = AbortSignal.any([until, reading.signal])
  try {
    const response = await fetch(url, { signal, redirect: 'manual', headers: { Accept: 'application/json' } })
    heard(response.headers)
    if (response.status !== 200) throw new UnexpectedStatus(url, response.status)
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength
      if (size > maxBytes) throw new Error(`${url} has more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
    if (typeof value !== 'object' || value === null) throw new Error(`${url} has no JSON object`)
    return value
  } finally {
    reading.abort(new Error('read no further'))
  }
}
