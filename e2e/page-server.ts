import { onTestFinished } from 'bun:test'
import { join } from 'node:path'
import type { BunPlugin } from 'bun'
import { root } from './parley-process.ts'

/** Content by path; that of `/` is a page. */
export type Pages = Readonly<Record<string, Response>>

/** A web server on a free port of loopback. `origin` is what `PARLEY_ALLOWED_ORIGINS` takes. */
export interface PageServer {
  readonly origin: string
}

/** Serves the pages until the test has finished. */
export function servePages(pages: Pages): PageServer {
  // Browsers ask for it with the first page, and complain if it is not there.
  const icon = { '/favicon.ico': new Response(null, { status: 204 }) }
  const routes = Object.entries({ ...icon, ...pages }).map(([path, page]) => [path, () => page.clone()])
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, routes: Object.fromEntries(routes) })
  onTestFinished(() => server.stop(true))
  return { origin: server.url.origin }
}

export const html = (text: string): Response => new Response(text, { headers: { 'Content-Type': 'text/html' } })

export const script = (text: string): Response => new Response(text, { headers: { 'Content-Type': 'text/javascript' } })

/** The files in and below a folder, under the address that they have if `base` is served. */
export async function filesOf(folder: string, base: string): Promise<Pages> {
  const names = await Array.fromAsync(new Bun.Glob('**/*').scan(join(base, folder)))
  return Object.fromEntries(
    await Promise.all(
      names.map(async name => {
        const file = Bun.file(join(base, folder, name))
        return [`/${folder}/${name}`, new Response(await file.text(), { headers: { 'Content-Type': file.type } })]
      }),
    ),
  )
}

let ofTab: Promise<string> | undefined

/** `in-tab.ts` as one script for browsers, built once, as every test of a page needs it. */
export function scriptOfTab(): Promise<string> {
  ofTab ??= bundle('e2e/in-tab.ts')
  return ofTab
}

/**
 * A module and all that it imports, as one script for browsers. `path` begins at the root of the repository.
 * @param plugins for what Bun does not read by itself
 */
export async function bundle(path: string, plugins: BunPlugin[] = []): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, path)],
    plugins,
    target: 'browser',
    format: 'esm',
    // The sources of our own packages: what was built from them may be older.
    conditions: ['bun'],
    // React complains of mistakes only in development.
    define: { 'process.env.NODE_ENV': '"development"' },
  })
  const [output] = outputs
  if (!output) throw new Error(`Nothing was built from ${path}.`)
  return output.text()
}
