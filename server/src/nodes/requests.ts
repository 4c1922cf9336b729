import { SignalingError } from '@parley/protocol'
import { z } from 'zod'
import type { RequestContext } from '../api/claims.ts'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Log, logFailure, reasons } from '../log.ts'
import { problem } from '../problem.ts'
import { withDeadline } from '../resilience/deadline.ts'
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
  /** Peers in a room that this node serves. */
  peerCount(roomId: string): number
  /** Answers by what this node has. */
  fetch(request: Request, context: RequestContext): Response | Promise<Response>
}

/** A path that no client can ask for: how many peers a node has in each of the rooms that the body names. */
const countsPath = 'peer-counts'
const roomIds = z.array(z.string())
const counts = z.record(z.string(), z.int().nonnegative())

/** What is read of a list of rooms. */
interface RoomList {
  readonly rooms: readonly { readonly room_id: string; readonly peer_count: number }[]
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
    const outcome = askOthers === undefined ? response : await this.#askOthers(again, context, askOthers, response)
    const isList = method === 'GET' && path === '/rooms' && outcome.status === 200
    return isList ? this.#countAll(outcome, client) : outcome
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

  /** The list, with the peers of rooms that other nodes serve. Those of one that does not say are missing. */
  async #countAll(response: Response, client: Client): Promise<Response> {
    const list = (await response.json()) as RoomList
    const body = JSON.stringify(list.rooms.map(({ room_id }) => room_id))
    const asked = this.parts.cluster.others().map(async ({ id }) => {
      const request = new Request(`http://localhost/${countsPath}`, { method: 'POST', body })
      const link = await withDeadline(this.parts.clock, this.#link(id), 'It does not answer.', this.#by)
      const answer = await this.#forwarding.ask(link, { request, client, path: countsPath }, knowsWithin)
      return counts.parse(await answer.json())
    })
    const told = await Promise.all(asked.map(one => one.catch((): Record<string, number> => ({}))))
    const countOf = (roomId: string) => told.reduce((sum, each) => sum + (each[roomId] ?? 0), 0)
    const rooms = list.rooms.map(room => ({ ...room, peer_count: room.peer_count + countOf(room.room_id) }))
    return new Response(JSON.stringify({ ...list, rooms }), response)
  }

  get #by(): number {
    return this.parts.clock.uptime() + knowsWithin
  }

  async #link(nodeId: string): Promise<RequestLink> {
    const link = await this.parts.link?.(nodeId)
    if (!link) throw new SignalingError('UNAVAILABLE')
    return link
  }

  async #ask(nodeId: string, request: Request, { client, path }: RequestContext, within: number): Promise<Response> {
    const link = await this.#link(nodeId)
    return this.#forwarding.ask(link, { request, client, path }, within)
  }

  /** Answers another node. It does not ask others in turn: who serves what may change meanwhile. */
  async #answerHere(request: Request, client: Client, path: string): Promise<Response> {
    if (path === countsPath) {
      const told = roomIds.parse(await request.json()).map(id => [id, this.parts.peerCount(id)] as const)
      return Response.json(Object.fromEntries(told.filter(([, count]) => count > 0)))
    }
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
