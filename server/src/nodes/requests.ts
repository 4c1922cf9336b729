import { SignalingError } from '@parley/protocol'
import type { RequestContext } from '../api/claims.ts'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Log, logFailure, reasons } from '../log.ts'
import { problem } from '../problem.ts'
import { Forwarding, type RequestLink } from './forwarding.ts'

/** Milliseconds that the node which serves a room has to answer about it, and that any node has to say whether it knows a peer. */
const servesWithin = 8_000
const knowsWithin = 500

export interface NodeRequestsParts {
  readonly clock: Clock
  readonly log: Log
  readonly cluster: Cluster
  /** @throws SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<RequestLink>
  /** Answers by what this node has. */
  fetch(request: Request, context: RequestContext): Response | Promise<Response>
}

/** Answers requests over HTTP, those about rooms and peers of other nodes by asking them. */
export class NodeRequests {
  readonly #forwarding: Forwarding

  constructor(private readonly parts: NodeRequestsParts) {
    this.#forwarding = new Forwarding(parts, ({ request, client, path }) => this.#answerHere(request, client, path))
  }

  async answer(request: Request, client: Client, path: string): Promise<Response> {
    const hasOthers = this.parts.cluster.others().length > 0
    // What has a body can be read once.
    const copy = hasOthers ? (request.clone() as Request) : undefined
    const context: RequestContext = { client, path }
    const response = await this.parts.fetch(request, context)
    // The runtime would keep a body that nobody reads until it collects garbage: a gigabyte of them in seconds.
    if (!request.bodyUsed) await request.body?.cancel()
    const { askOthers } = context
    const outcome = copy && askOthers ? await this.#askOthers(copy, context, askOthers, response) : response
    if (copy && !copy.bodyUsed) await copy.body?.cancel()
    return outcome
  }

  /** A frame has come over a link. One that no node of this version sends ends it. */
  receive(link: RequestLink, type: number, handle: number, body: string | Uint8Array): void {
    try {
      this.#forwarding.receive(link, type, handle, String(body))
    } catch (error) {
      this.parts.log.error(
        { type, cause: reasons(error) },
        'link closed, as the other node does not speak like this one',
      )
      link.close()
    }
  }

  async #askOthers(request: Request, context: RequestContext, whom: string, response: Response): Promise<Response> {
    try {
      if (whom !== 'all') return await this.#ask(whom, request, context, servesWithin)
      return (await this.#askAll(request, context)) ?? response
    } catch (error) {
      const failure =
        error instanceof SignalingError ? error : new SignalingError('UNAVAILABLE', undefined, { cause: error })
      logFailure(this.parts.log, failure, { path: context.path })
      return problem(failure)
    }
  }

  /** What the first node says that knows the peer. */
  async #askAll(request: Request, context: RequestContext): Promise<Response | undefined> {
    const asked = this.parts.cluster.others().map(async ({ id }) => {
      const response = await this.#ask(id, request.clone() as Request, context, knowsWithin)
      if (response.headers.has(unknownHere)) throw new Error('It does not know the peer.')
      return response
    })
    return Promise.any(asked).catch(() => undefined)
  }

  async #ask(nodeId: string, request: Request, { client, path }: RequestContext, within: number): Promise<Response> {
    const link = await this.parts.link(nodeId)
    return this.#forwarding.ask(link, { request, client, path }, within)
  }

  /** Answers another node. It does not ask others in turn: who serves what may change meanwhile. */
  async #answerHere(request: Request, client: Client, path: string): Promise<Response> {
    const context: RequestContext = { client, path }
    const response = await this.parts.fetch(request, context)
    if (context.askOthers === undefined) return response
    if (context.askOthers === 'all') {
      response.headers.set(unknownHere, '1')
      return response
    }
    return problem(new SignalingError('UNAVAILABLE', 'The room is moving to another node.', { retryAfter: 1 }))
  }
}

/** Tells the node that asks, and nobody else, that another one may know more. */
const unknownHere = 'parley-unknown-here'
