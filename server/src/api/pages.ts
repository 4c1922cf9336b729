import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { type AllowedOrigins, isSameOrigin } from '../origins.ts'
import type { RefusedOrigin } from '../refused-origins.ts'

/**
 * CORS for the pages of these origins. There are no cookies and `Access-Control-Allow-Credentials` is never sent: a page
 * has the rights of the tokens that it holds, and no others.
 * @param refused is told of pages of other origins, whose browser keeps the answer from them
 */
export function forPages(origins: AllowedOrigins, refused: RefusedOrigin): MiddlewareHandler {
  const withHeaders = origins.isEmpty
    ? undefined
    : cors({
        origin: origins.isAll ? '*' : origin => (origins.allows(origin) ? origin : null),
        allowHeaders: ['Authorization', 'Content-Type'],
        exposeHeaders: ['Retry-After', 'WWW-Authenticate'],
        maxAge: 600,
      })
  return (c, next) => {
    const origin = c.req.header('Origin')
    if (origin !== undefined && !origins.allows(origin) && isRefused(origin, c.req.raw.headers)) refused(origin, 'http')
    return withHeaders ? withHeaders(c, next) : next()
  }
}

/** Forms that are sent and links that are followed have an origin, too, and need no CORS. */
const isRefused = (origin: string, headers: Headers): boolean =>
  (headers.get('sec-fetch-mode') ?? 'cors') === 'cors' && !isSameOrigin(origin, headers)
