import { SignalingError } from '@parley/protocol'
import type { Context, Hono } from 'hono'
import type { ParamKeys } from 'hono/types'
import type { Clock } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { TimeSlices } from '../time-slices.ts'
import { type Payer, type WorkBudget, workOfJson, workOfRequest } from '../work-budget.ts'
import type { Env } from './claims.ts'
import { bytesToRead, readBody } from './read-body.ts'
import type { Access, AnyRoute, Route } from './route.ts'

export interface AnsweringParts {
  readonly identity: Identity
  readonly clock: Clock
  readonly budget: WorkBudget
  readonly slices: TimeSlices
}

/** Bytes of a body at most. */
export const bodyBytes = 64 * 1024

/** A request of a route, as far as it has been read. */
interface Call<Path extends string, Body> {
  readonly c: Context<Env>
  readonly params: Readonly<Record<ParamKeys<Path>, string>>
  readonly body: Body
}

/** What stands between a route and its act: who asks, the body, the answer, and the work that it takes. */
export function answering(app: Hono<Env>, { identity, clock, budget, slices }: AnsweringParts) {
  return { answer, answerIdentified, authenticate }

  /** Answers a route with `act`. The route is open to everyone, or checks the caller's rights itself. */
  function answer<Path extends string, Body, Answer>(
    route: Route<Path, 'anybody' | 'claimant', Body, Answer>,
    act: NoInfer<(call: Call<Path, Body>) => Promise<Answer>>,
  ): void {
    app.on(route.method, route.path as string, c =>
      paid(c, route, { address: c.env.client.address }, async () => act(await read(c, route))),
    )
  }

  /** Answers a route with `act`, which gets the subject of the identity that the caller has proven. */
  function answerIdentified<Path extends string, Body, Answer>(
    route: Route<Path, 'identity' | 'owner', Body, Answer>,
    act: NoInfer<(subject: string, call: Call<Path, Body>) => Promise<Answer>>,
  ): void {
    app.on(route.method, route.path as string, async c => {
      const { address } = c.env.client
      budget.check({ address })
      const { subject } = await authenticate(c)
      return paid(c, route, { identity: subject, address }, async () => act(subject, await read(c, route)))
    })
  }

  /** What `act` answers, unless `payer` has caused too much work; charges it for what it takes. */
  async function paid(c: Context<Env>, route: AnyRoute, payer: Payer, act: () => Promise<unknown>): Promise<Response> {
    if (route.access === 'anybody') return respond(c, route, JSON.stringify(await act()))
    budget.check(payer)
    // At once, so that it counts for what is asked at the same time.
    budget.charge(payer, workOfRequest + workOfJson(bytesToRead(c, bodyBytes)))
    const text = JSON.stringify(await act())
    // Read from the store as well as written.
    budget.charge(payer, 2 * workOfJson(text?.length ?? 0))
    return respond(c, route, text)
  }

  /** The request, once its body is there. Large ones are read one after the other. */
  async function read<Path extends string, Body>(
    c: Context<Env>,
    { body }: Pick<Route<Path, Access, Body, unknown>, 'body'>,
  ): Promise<Call<Path, Body>> {
    const params = c.req.param() as Call<Path, Body>['params']
    if (!body) return { c, params, body: undefined as Body }
    const bytes = await c.req.arrayBuffer()
    if (workOfJson(bytes.byteLength) > workOfRequest) await slices.turn()
    return { c, params, body: readBody(bytes, body) }
  }

  async function authenticate(c: Context<Env>) {
    const idToken = bearer(c)
    if (!idToken) {
      throw new SignalingError('INVALID_TOKEN', 'Send the id_token of a sign-in as "Authorization: Bearer <id_token>".')
    }
    return withDeadline(clock, identity.verify(idToken), 'The identity provider does not answer.')
  }
}

/** The ID token of the request. The original took it without the word Bearer, too. */
export const bearer = (c: Context): string | undefined =>
  /^(?:Bearer +)?(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1]

/** The answer as the table has it: what `json` was made from fits its schema, as the compiler has seen. */
export function respond(c: Context, { status, secret }: AnyRoute, json: string): Response {
  const headers = secret ? { 'Cache-Control': 'no-store' } : {}
  if (status === 204 || status === 302) return c.body(null, status, headers)
  return c.body(json, status, { ...headers, 'Content-Type': 'application/json' })
}
