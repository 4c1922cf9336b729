import { type ErrorCode, errorKinds, SignalingError } from '@parley/protocol'
import { problem } from '../problem.ts'
import { asyncApi } from './asyncapi.ts'
import { docsPage } from './docs-page.ts'
import { openApi, type Problems } from './openapi.ts'
import type { apiTable } from './routes.ts'

/** What describes the server. */
export interface Documents {
  /** OpenAPI and AsyncAPI, in JSON. */
  readonly openApi: string
  readonly asyncApi: string
  /** Both for people, in HTML, and the Content-Security-Policy that it takes. */
  readonly page: string
  readonly policy: string
}

/** @param peerIdLength characters that a `peer_id` may have */
export async function buildDocuments(
  { routes, schemas }: ReturnType<typeof apiTable>,
  peerIdLength: number,
  version: string,
): Promise<Documents> {
  const http = openApi(routes, schemas, await problems(), version)
  const webSocket = asyncApi(peerIdLength, version)
  return { openApi: JSON.stringify(http), asyncApi: JSON.stringify(webSocket), ...(await docsPage(http, webSocket)) }
}

/** What is really sent for each code, when there is nothing more exact to say. */
async function problems(): Promise<Problems> {
  const codes = Object.keys(errorKinds) as ErrorCode[]
  const bodies = codes.map(async code => [code, await problem(new SignalingError(code)).json()] as const)
  return Object.fromEntries(await Promise.all(bodies)) as Problems
}
