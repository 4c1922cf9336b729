import { SignalingError } from '@parley/protocol'
import { z } from 'zod'
import type { RequestContext } from '../api/claims.ts'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Log, logFailure } from '../log.ts'
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
  /** Whether other nodes may serve rooms, be they known yet or not. */
  readonly isShared: boolean
  /** @throws SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<RequestLink>
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
    this.#forwarding = new Forwarding(parts.clock, ({ request, client, path }) =>
      this.#answerHere(request, client, path),
    )
  }

  async answer(request: Request, client: Client, path: string): Promise<Response> {
    // What has a body can be read once.
    const copy = this.parts.isShared ? (request.clone() as Request) : undefined
    const context: RequestContext = { client, path }
    const response = await this.parts.fetch(request, context)
    // The runtime would keep a body that nobody reads until it collects garbage: a gigabyte of them in seconds.
    if (!request.bodyUsed) await request.body?.cancel()
    const { askOthers } = context
    const outcome = copy && askOthers ? await this.#askOthers(copy, context, askOthers, response) : response
    if (copy && !copy.bodyUsed) await copy.body?.cancel()
    const isList = copy && request.method === 'GET' && path === '/rooms' && outcome.status === 200
    return isList ? this.#countAll(outcome, client) : outcome
  }

  receive(link: RequestLink, type: number, handle: number, body: string | Uint8Array): void {
    this.#forwarding.receive(link, type, handle, String(body))
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

  /** The list, with the peers of rooms that other nodes serve. Those of one that does not say are missing. */
  async #countAll(response: Response, client: Client): Promise<Response> {
    const list = (await response.json()) as RoomList
    const body = JSON.stringify(list.rooms.map(({ room_id }) => room_id))
    const asked = this.parts.cluster.others().map(async ({ id }) => {
      const request = new Request(`http://localhost/${countsPath}`, { method: 'POST', body })
      const link = await withDeadline(this.parts.clock, this.parts.link(id), 'It does not answer.', this.#by)
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

  async #ask(nodeId: string, request: Request, { client, path }: RequestContext, within: number): Promise<Response> {
    const link = await this.parts.link(nodeId)
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
