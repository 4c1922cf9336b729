/** Which pages may use the server, by their origin: for CORS over HTTP, and for the WebSocket. */
export interface AllowedOrigins {
  /** No origin is named. */
  readonly isEmpty: boolean
  /** Pages of any origin may use it, those without one (`null`) included. */
  readonly isAll: boolean
  /** @param origin as the header of the request has it (RFC 6454 section 7) */
  allows(origin: string): boolean
}

/**
 * Reads a list of origins: `*`, `null`, `https://app.example.com`, `https://*.example.com` for the subdomains at any
 * depth, `capacitor://localhost`.
 * @throws Error saying which entry cannot be the origin of a page, and why
 */
export function allowedOrigins(entries: readonly string[]): AllowedOrigins {
  const exact = new Set<string>()
  const parents: Parent[] = []
  for (const entry of entries) {
    const parent = /^([^/]*:\/\/)\*(\..*)$/.exec(entry)
    if (parent) parents.push(readParent(entry, parent[1] ?? '', parent[2] ?? ''))
    else exact.add(entry === '*' ? entry : readOrigin(entry, entry))
  }
  const isAll = exact.has('*')
  return {
    isEmpty: entries.length === 0,
    isAll,
    allows(origin) {
      if (isAll) return true
      const normal = normalOrigin(origin)
      return normal !== undefined && (exact.has(normal) || parents.some(parent => isBelow(normal, parent)))
    },
  }
}

/**
 * Whether a page asks the server that it came from. The scheme is not compared, as a proxy may have ended the TLS.
 * @param headers those of the request
 */
export function isSameOrigin(origin: string, headers: Headers): boolean {
  // Fetch Metadata: what the browser knows, whatever a proxy made of the Host header.
  if (headers.get('sec-fetch-site') === 'same-origin') return true
  const host = headers.get('host')
  if (host === null || !/^https?:/i.test(origin)) return false
  const scheme = origin.slice(0, origin.indexOf(':'))
  return normalOrigin(origin) === normalOrigin(`${scheme}://${host}`)
}

/**
 * Whether a page surely comes from the address that it asks. Of a name under plain `http:` that is not sure: its DNS server
 * may have led a page of somebody else here (DNS rebinding). Under `https:` the certificate would not fit.
 */
export function isOwnPage(origin: string, headers: Headers): boolean {
  if (!isSameOrigin(origin, headers)) return false
  const page = URL.canParse(origin) ? new URL(origin) : undefined
  return page?.protocol === 'https:' || (page !== undefined && /^(localhost|[\d.]+|\[.*\])$/.test(page.hostname))
}

/**
 * Whether a browser has made a request for a page of another origin, whose author would act with its visitor's network
 * address. Programs send neither header. A page of a listed origin may act for its visitor, unless that is everybody's
 * (`*`, `null`), or the browser calls it another site.
 */
export function isForAnotherSite(headers: Headers, origins: AllowedOrigins): boolean {
  // Fetch Metadata: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
  if (!['same-origin', 'none', null].includes(headers.get('sec-fetch-site'))) return true
  const origin = headers.get('origin')
  if (origin === null || isOwnPage(origin, headers)) return false
  return origins.isAll || origin === 'null' || !origins.allows(origin)
}

/**
 * Whether `host`, as in the header, names this machine from within: `localhost`, or an IP address. Any other name may have
 * been led here by its DNS server (DNS rebinding).
 */
export const isLocalHost = (host: string): boolean =>
  /^(?:(?:[\w-]+\.)*localhost\.?|\d+(?:\.\d+){3}|\[[\da-f.:]+\])(?::\d*)?$/i.test(host)

/** The subdomains of a domain, on one scheme and port. */
interface Parent {
  /** `https://` */
  readonly scheme: string
  /** `.example.com` or `.example.com:8443` */
  readonly suffix: string
}

const isBelow = (origin: string, { scheme, suffix }: Parent): boolean =>
  origin.startsWith(scheme) && origin.endsWith(suffix) && origin.length > scheme.length + suffix.length

function readParent(entry: string, scheme: string, suffix: string): Parent {
  const origin = readOrigin(`${scheme}${suffix.slice(1)}`, entry)
  const from = origin.indexOf('://') + 3
  const domain = origin.slice(from)
  if (/^(\[|[\d.]+(:|$))/.test(domain))
    throw new Error(`${JSON.stringify(entry)} is an IP address, which has no subdomains`)
  return { scheme: origin.slice(0, from), suffix: `.${domain}` }
}

/** @throws Error saying why no page has the origin `text`, as it stands in `entry` */
function readOrigin(text: string, entry: string): string {
  const no = (reason: string) => new Error(`${JSON.stringify(entry)} ${reason}`)
  if (/^null$/i.test(text)) return 'null'
  if (!text.includes('://')) throw no('has no scheme; write it as https://app.example.com')
  if (/^wss?:/i.test(text)) throw no("is the address of a WebSocket; a page's origin begins with https:// or http://")
  if (text.includes('*')) throw no('may have a * only as the first part of its host, as https://*.example.com')
  if (/:\/\/.*[/?#@]/.test(text)) throw no('has more than scheme, host and port')
  const origin = normalOrigin(text)
  if (origin === undefined) throw no('names no host that there can be')
  return origin
}

/**
 * An origin in the one form that is compared: in small letters, names in ASCII, without the port that the scheme has
 * anyway. Undefined if it is none.
 */
function normalOrigin(text: string): string | undefined {
  const [, scheme = '', authority = ''] = /^([a-z][a-z\d+.-]*):\/\/([^\s/?#@\\*]*)$/i.exec(text) ?? []
  if (scheme === '') return /^null$/i.test(text) ? 'null' : undefined
  if (!/^https?$/i.test(scheme)) return /^[\w.:[\]-]*$/.test(authority) ? text.toLowerCase() : undefined
  return authority !== '' && URL.canParse(text) ? new URL(text).origin : undefined
}
