import type { Server } from 'bun'

/** Stands before a service that speaks AWS's JSON, and says of it what an emulator cannot be made to say. */
export interface OverlayProxy {
  readonly url: string
  /** By operations: members that its answers get in the place of their own, one level deep. */
  overlays: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>
  /** By operations: errors that are answered instead, as `AccessDeniedException`, each with its headers. */
  errors: Readonly<Record<string, { readonly type: string; readonly message?: string; readonly date?: Date }>>
  /** The operations that were asked for. */
  readonly seen: readonly string[]
  stop(): void
}

/** Starts one before `target`, a URL without a path. */
export function startOverlayProxy(target: string): OverlayProxy {
  const seen: string[] = []
  const server: Server<undefined> = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const operation = request.headers.get('x-amz-target')?.split('.')[1] ?? ''
      seen.push(operation)
      const error = self.errors[operation]
      if (error) {
        const headers = error.date && { date: error.date.toUTCString() }
        return Response.json(
          { __type: error.type, message: error.message },
          { status: 400, ...(headers && { headers }) },
        )
      }
      const headers = new Headers(request.headers)
      headers.delete('host')
      const response = await fetch(target, { method: 'POST', headers, body: await request.text() })
      const answer = (await response.json()) as Record<string, object>
      if (response.ok) {
        for (const [member, overlay] of Object.entries(self.overlays[operation] ?? {})) {
          answer[member] = { ...answer[member], ...overlay }
        }
      }
      return Response.json(answer, { status: response.status })
    },
  })
  const self: OverlayProxy = {
    url: `http://127.0.0.1:${server.port}`,
    overlays: {},
    errors: {},
    seen,
    stop: () => void server.stop(true),
  }
  return self
}
