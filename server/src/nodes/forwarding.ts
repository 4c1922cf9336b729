import { SignalingError } from '@parley/protocol'
import { z } from 'zod'
import { type Client, clientSchema } from '../client.ts'
import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import { problem } from '../problem.ts'

/** A link to another node, as far as requests need it. */
export interface RequestLink {
  send(type: number, handle: number, body: string, kind: 'answer'): boolean
  onClosed(act: () => void): void
  readonly isOpen: boolean
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
  /** Those without an answer, by the link over which they were asked. */
  readonly #pending = new Map<RequestLink, Map<number, (answer: Response | SignalingError) => void>>()
  #last = 0

  constructor(
    private readonly clock: Clock,
    /** Answers what another node asks. */
    private readonly answer: (request: ForwardedRequest) => Promise<Response>,
  ) {}

  /**
   * Has the node at the other end answer.
   * @param within milliseconds that it has
   * @throws SignalingError UNAVAILABLE
   */
  async ask(link: RequestLink, { request, path, client }: ForwardedRequest, within: number): Promise<Response> {
    const id = ++this.#last % 2 ** 32
    const { pathname, search } = new URL(request.url)
    const headers = Object.fromEntries([...request.headers].filter(([name]) => passedOn.includes(name)))
    const body = request.body ? await request.text() : null
    const text = JSON.stringify({ method: request.method, path, url: pathname + search, headers, body, client })
    const pending = this.#over(link)
    let cancel: Cancel = nothingPlanned
    const outcome = await new Promise<Response | SignalingError>(resolve => {
      pending.set(id, resolve)
      cancel = this.clock.after(within, () => resolve(silent()))
      if (!link.send(asked, id, text, 'answer')) resolve(silent())
    })
    cancel()
    pending.delete(id)
    if (outcome instanceof SignalingError) throw outcome
    return outcome
  }

  /** What is asked over the link and has no answer. When it ends, there will be none. */
  #over(link: RequestLink): Map<number, (answer: Response | SignalingError) => void> {
    const known = this.#pending.get(link)
    if (known) return known
    const pending = new Map<number, (answer: Response | SignalingError) => void>()
    this.#pending.set(link, pending)
    link.onClosed(() => {
      this.#pending.delete(link)
      for (const settle of pending.values()) settle(silent())
    })
    return pending
  }

  /** A frame of its types has come. @throws Error where no node of this version sends such a one */
  receive(link: RequestLink, type: number, id: number, body: string): void {
    if (type === answered) {
      const { status, headers, body: text } = reply.parse(JSON.parse(body))
      this.#pending.get(link)?.get(id)?.(new Response(status === 204 ? null : text, { status, headers }))
      return
    }
    const { method, path, url, headers, body: sent, client } = forwarded.parse(JSON.parse(body))
    const request = new Request(`http://localhost${url}`, { method, headers, ...(sent !== null && { body: sent }) })
    void this.#answer(link, id, { request, path, client })
  }

  /** Never rejects. */
  async #answer(link: RequestLink, id: number, request: ForwardedRequest): Promise<void> {
    const response = await this.answer(request).catch(() => problem(new SignalingError('INTERNAL')))
    const body = await response.text()
    const told = { status: response.status, headers: Object.fromEntries(response.headers), body }
    if (link.isOpen) link.send(answered, id, JSON.stringify(told), 'answer')
  }
}

const silent = () => new SignalingError('UNAVAILABLE', 'The node that serves the room does not answer.')
