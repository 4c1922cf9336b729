import { SignalingError, toSignalingError } from '@parley/protocol'
import { z } from 'zod'
import { type Client, clientSchema } from '../client.ts'
import type { Clock } from '../clock.ts'
import { type Log, logFailure } from '../log.ts'
import { problem } from '../problem.ts'

/** A link to another node, as far as requests need it. */
export interface RequestLink {
  send(type: number, handle: number, body: string, kind: 'answer'): boolean
  onClosed(act: () => void): void
  close(): void
}

/** Types of frames on a link. */
const asked = 32
const answered = 33
export const forwardingTypes = new Map([asked, answered].map(type => [type, 'text' as const]))

const forwarded = z.strictObject({
  method: z.string(),
  /** The path of the route, as `exactPath` has it, and the URL without scheme and host. */
  path: z.string(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string().nullable(),
  client: clientSchema,
})

const reply = z.strictObject({
  status: z.number().int().min(200).max(599),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})

/** What is asked of another node, as it came from a client. */
export interface ForwardedRequest {
  readonly request: Request
  readonly path: string
  readonly client: Client
}

/** Headers that matter to the API, beside those that only the node reads that the client speaks to. */
const passedOn = ['authorization', 'content-type', 'accept', 'host', 'origin', 'sec-fetch-site']

/** Requests about rooms that another node serves: asked there, with what this node knows of the client, and answered here. */
export class Forwarding {
  /** What each link has still to answer. */
  readonly #pending = new Map<RequestLink, Map<number, (answer: Response | SignalingError) => void>>()
  #last = 0

  constructor(
    private readonly parts: { readonly clock: Clock; readonly log: Log },
    /** Answers what another node asks. */
    private readonly answer: (request: ForwardedRequest) => Promise<Response>,
  ) {}

  /**
   * Has the node at the other end answer.
   * @param within milliseconds that it has
   * @throws SignalingError UNAVAILABLE
   */
  async ask(link: RequestLink, { request, path, client }: ForwardedRequest, within: number): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const headers = Object.fromEntries([...request.headers].filter(([name]) => passedOn.includes(name)))
    const body = request.body ? await request.text() : null
    const text = JSON.stringify({ method: request.method, path, url: pathname + search, headers, body, client })
    const lost = new SignalingError('UNAVAILABLE', 'The node that serves the room does not answer.')
    const pending = this.#pendingOf(link)
    const id = this.#newId(pending)
    const { promise, resolve } = Promise.withResolvers<Response | SignalingError>()
    pending.set(id, resolve)
    const cancel = this.parts.clock.after(within, () => resolve(lost))
    try {
      if (!link.send(asked, id, text, 'answer')) resolve(lost)
      const outcome = await promise
      if (outcome instanceof SignalingError) throw outcome
      return outcome
    } finally {
      cancel()
      pending.delete(id)
    }
  }

  /** A frame of its types has come. @throws Error where no node of this version sends such a one */
  receive(link: RequestLink, type: number, id: number, body: string): void {
    if (type === answered) {
      const { status, headers, body: text } = reply.parse(JSON.parse(body))
      const answer = new Response(bodiless.includes(status) ? null : text, { status, headers })
      this.#pending.get(link)?.get(id)?.(answer)
      return
    }
    const { method, path, url, headers, body: sent, client } = forwarded.parse(JSON.parse(body))
    const request = new Request(`http://localhost${url}`, { method, headers, ...(sent !== null && { body: sent }) })
    void this.#answer(link, id, { request, path, client })
  }

  /** Never rejects. */
  async #answer(link: RequestLink, id: number, request: ForwardedRequest): Promise<void> {
    try {
      await this.#tell(link, id, await this.answer(request))
    } catch (error) {
      // It may also be longer than a link carries.
      const reason = toSignalingError(error)
      logFailure(this.parts.log, reason, { path: request.path })
      await this.#tell(link, id, problem(reason))
    }
  }

  async #tell(link: RequestLink, id: number, response: Response): Promise<void> {
    const body = await response.text()
    const told = { status: response.status, headers: Object.fromEntries(response.headers), body }
    link.send(answered, id, JSON.stringify(told), 'answer')
  }

  /** One listener for each link: there are many requests, and a link may last for months. */
  #pendingOf(link: RequestLink): Map<number, (answer: Response | SignalingError) => void> {
    const known = this.#pending.get(link)
    if (known) return known
    const pending = new Map<number, (answer: Response | SignalingError) => void>()
    this.#pending.set(link, pending)
    link.onClosed(() => {
      this.#pending.delete(link)
      // Not at once: it may have been closed when it was given.
      queueMicrotask(() => {
        const lost = new SignalingError('UNAVAILABLE', 'The link to the node that serves the room has ended.')
        for (const resolve of pending.values()) resolve(lost)
      })
    })
    return pending
  }

  #newId(taken: ReadonlyMap<number, unknown>): number {
    do this.#last = (this.#last + 1) % 2 ** 32
    while (this.#last === 0 || taken.has(this.#last))
    return this.#last
  }
}

/** Statuses of responses that have no body. */
const bodiless: readonly number[] = [204, 205, 304]
