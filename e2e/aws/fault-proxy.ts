import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/**
 * What becomes of a request:
 * - `none`: it is passed on, and so is the answer
 * - `refused`: nobody listens, and no connection is left
 * - `hung`: it is read and never answered, also on a connection that was open before
 * - `throttled`: the service says that there were too many, as Cognito and DynamoDB do
 * - `cut`: it is passed on, but the connection is reset in the middle of the answer
 * - `slow`: it is passed on, but the answer waits that long (milliseconds)
 * - `status`: it is not passed on, but answered with this status
 */
export type Fault = 'none' | 'refused' | 'hung' | 'throttled' | 'cut' | { readonly slow: number } | Answered
interface Answered {
  readonly status: number
}

/**
 * Stands between a client and an HTTP service, and lets it fail in the ways in which services fail. It tells the time in each
 * answer, and refuses signatures of another time than its own, as AWS does.
 */
export interface FaultProxy {
  readonly url: string
  /**
   * From now on; replaces the fault before, which what it has left hung keeps.
   * @param only the requests that it is for, by their name in `seen`; default all. Connections to nobody have no name:
   *   where only some are `refused`, their connections are reset
   * @param times how many of these it is for; all others are passed on. Default: without end
   */
  fault(fault: Fault, only?: RegExp, times?: number): void
  /** From now on its time is ahead of this computer's by so many milliseconds. 0 at first. */
  clock(ahead: number): void
  /** What was asked for so far: the operation in X-Amz-Target after the dot, or else `GET /path`. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

const host = '127.0.0.1'

/** Starts one before `target`, a URL without a path. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const seen: string[] = []
  let current: Fault = 'none'
  let among: RegExp | undefined
  let left = Number.POSITIVE_INFINITY
  let ahead = 0

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = nameOf(request)
    seen.push(name)
    const fault = (!among || among.test(name)) && left-- > 0 ? current : 'none'
    const body = await buffer(request)
    const now = new Date(Date.now() + ahead)
    response.setHeader('date', now.toUTCString())
    const refusal = refusalOf(request, now)
    if (refusal) return answerAs(response, 400, 'InvalidSignatureException', refusal)
    if (fault === 'hung') return
    if (fault === 'refused') return reset(request)
    if (fault === 'throttled') return throttle(request, response)
    if (isAnswered(fault)) return answerAs(response, fault.status, 'InternalServerError')

    const answer = await passOn(target, request, body)
    if (typeof fault === 'object') await new Promise(resume => setTimeout(resume, fault.slow))
    response.writeHead(answer.status, answer.headers)
    if (fault !== 'cut') return void response.end(answer.body)
    response.write(answer.body.subarray(0, answer.body.length / 2), () => reset(request))
  }

  const listen = (port: number) => {
    const server = createServer((request, response) => {
      handle(request, response).catch(() => reset(request))
    })
    server.listen(port, host)
    return server
  }
  let server = listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const stop = () => {
    const stopped = once(server, 'close')
    server.close()
    server.closeAllConnections()
    return stopped
  }

  return {
    url: `http://${host}:${port}`,
    seen,
    fault(fault, only, times = Number.POSITIVE_INFINITY) {
      current = fault
      among = only
      left = times
      const isAway = fault === 'refused' && !only
      if (isAway && server.listening) void stop()
      if (!isAway && !server.listening) server = listen(port)
    },
    clock(milliseconds) {
      ahead = milliseconds
    },
    async close() {
      if (server.listening) await stop()
    },
  }
}

const isAnswered = (fault: Fault): fault is Answered => typeof fault === 'object' && 'status' in fault

function nameOf({ method, url, headers }: IncomingMessage): string {
  const target = headers['x-amz-target']
  return typeof target === 'string' ? target.replace(/^.*\./, '') : `${method} ${url?.replace(/\?.*/, '')}`
}

/** A reset, not an end: the client must not take it for a whole answer. */
function reset({ socket }: IncomingMessage): void {
  socket.resetAndDestroy()
}

function throttle({ headers }: IncomingMessage, response: ServerResponse): void {
  const target = String(headers['x-amz-target'] ?? '')
  const type = target.startsWith('DynamoDB') ? 'ThrottlingException' : 'TooManyRequestsException'
  answerAs(response, target === '' ? 429 : 400, type)
}

/** Errors of the services are in JSON, with their name in `__type`. */
function answerAs(response: ServerResponse, status: number, type: string, message = 'by the fault proxy'): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': crypto.randomUUID() })
  response.end(JSON.stringify({ __type: type, message }))
}

/** How far the time in a signature may be from AWS's (IAM User Guide, "Signing AWS API requests"). Milliseconds. */
const tolerance = 300_000

/** What AWS says of a signature of another time than its own, in its words; undefined of all others. */
function refusalOf({ headers }: IncomingMessage, now: Date): string | undefined {
  const signed = headers['x-amz-date']
  if (!headers.authorization?.startsWith('AWS4-') || typeof signed !== 'string') return
  const late = now.getTime() - Date.parse(signed.replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'))
  const limit = (ms: number) => amzDate(new Date(now.getTime() + ms))
  if (late > tolerance) {
    return `Signature expired: ${signed} is now earlier than ${limit(-tolerance)} (${amzDate(now)} - 5 min.)`
  }
  if (late < -tolerance) {
    return `Signature not yet current: ${signed} is still later than ${limit(tolerance)} (${amzDate(now)} + 5 min.)`
  }
}

/** As in X-Amz-Date: `20261127T235959Z`. */
const amzDate = (time: Date): string => time.toISOString().replace(/[-:]|\.\d+/g, '')

async function passOn(target: string, { method = 'GET', url, headers }: IncomingMessage, body: Buffer) {
  // The rest is for this connection alone.
  const { host: _, connection: __, 'transfer-encoding': ___, ...kept } = headers
  const answer = await fetch(target + url, {
    method,
    // Compressed, its length would be another on this side.
    headers: { ...(kept as Record<string, string>), 'accept-encoding': 'identity' },
    redirect: 'manual',
    ...(body.length > 0 && { body: new Uint8Array(body) }),
  })
  const whole = Buffer.from(await answer.arrayBuffer())
  const { connection: ____, 'transfer-encoding': _____, date: ______, ...told } = Object.fromEntries(answer.headers)
  return { status: answer.status, headers: { ...told, 'content-length': String(whole.length) }, body: whole }
}
