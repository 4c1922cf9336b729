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
  /** Undefined where there are no other nodes. @throws SignalingError UNAVAILABLE */
  readonly link: ((nodeId: string) => Promise<RequestLink>) | undefined
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
    const context: RequestContext = { client, path }
    if (!this.parts.link) {
      const response = await this.parts.fetch(request, context)
      // The runtime would keep a body that nobody reads until it collects garbage: a gigabyte of them in seconds.
      if (!request.bodyUsed) await request.body?.cancel()
      return response
    }
    // It may be sent twice. (A clone would not do: to cancel one of the two waits for the other.)
    const body = request.body && (await request.arrayBuffer().catch(() => undefined))
    // The client has gone.
    if (body === undefined) return new Response(null, { status: 400 })
    const { method, headers, signal, url } = request
    const again = () => new Request(url, { method, headers, signal, ...(body && { body }) })
    const response = await this.parts.fetch(again(), context)
    const { askOthers } = context
    return askOthers === undefined ? response : this.#askOthers(again, context, askOthers, response)
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

  async #askOthers(again: () => Request, context: RequestContext, whom: string, response: Response): Promise<Response> {
    try {
      if (whom !== 'all') return await this.#ask(whom, again(), context, servesWithin)
      return (await this.#askAll(again, context)) ?? response
    } catch (error) {
      const failure =
        error instanceof SignalingError ? error : new SignalingError('UNAVAILABLE', undefined, { cause: error })
      logFailure(this.parts.log, failure, { path: context.path })
      return problem(failure)
    }
  }

  /** What the first node says that knows the peer. */
  async #askAll(again: () => Request, context: RequestContext): Promise<Response | undefined> {
    const asked = this.parts.cluster.others().map(async ({ id }) => {
      const response = await this.#ask(id, again(), context, knowsWithin)
      if (response.headers.has(unknownHere)) throw new Error('It does not know the peer.')
      return response
    })
    return Promise.any(asked).catch(() => undefined)
  }

  async #ask(nodeId: string, request: Request, { client, path }: RequestContext, within: number): Promise<Response> {
    const link = await this.parts.link?.(nodeId)
    if (!link) throw new SignalingError('UNAVAILABLE')
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
