import type { ErrorCode } from '@parley/protocol'
import type { ZodType } from 'zod'

/** Who may call. `identity`: who proves one; `owner`: the creator of the room; `claimant`: who shows a right to it. */
export type Access = 'anybody' | 'identity' | 'owner' | 'claimant'

export const tags = {
  start: 'To start with',
  owner: 'For the owner of a room',
  operation: 'For who runs the server',
  documents: 'Documents',
} as const

/** One row of the table: what the API promises of a route. What comes of it is in api.ts. */
export interface Route<Path extends string, Who extends Access, Body, Answer> {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** As Hono has it: `:name` stands for one segment. */
  readonly path: Path
  readonly tag: (typeof tags)[keyof typeof tags]
  readonly summary: string
  readonly description?: string
  readonly access: Who
  /** What the body must be; without it, the body is ignored. */
  readonly body?: ZodType<Body>
  readonly status: 200 | 201 | 204 | 302
  /** What the body of the answer is, as JSON; without it, there is none. */
  readonly answer?: ZodType<Answer>
  /** The content type of an answer that is not JSON, or need not be. */
  readonly text?: string
  /** Whether the answer carries tokens or credentials, so that no cache may keep it. */
  readonly secret?: boolean
  /** What may go wrong beside what follows from the rest (`errorsOf` in openapi.ts). */
  readonly errors?: readonly ErrorCode[]
}

export type AnyRoute = Route<string, Access, unknown, unknown>

/** A row of the table, with what its path, its body and its answer are known to the compiler. */
export const route = <const Path extends string, const Who extends Access, Body = undefined, Answer = void>(
  route: Route<Path, Who, Body, Answer>,
) => route
