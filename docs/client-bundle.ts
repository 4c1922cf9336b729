import { join } from 'node:path'

/** What a page loads that uses the SDK. */
export interface ClientBundle {
  readonly code: string
  /** Bytes after `gzip -9`. */
  readonly gzippedBytes: number
}

/**
 * An entry of the SDK with all that it needs in one file, minified.
 * @param entry file below client/src
 * @throws AggregateError if it cannot be built
 */
export async function bundleClient(entry: string): Promise<ClientBundle> {
  const entrypoints = [join(import.meta.dir, '../client/src', entry)]
  const { outputs } = await Bun.build({ entrypoints, target: 'browser', minify: true })
  const code = (await Promise.all(outputs.map(output => output.text()))).join('')
  return { code, gzippedBytes: Bun.gzipSync(code, { level: 9 }).length }
}

/** In steps of 0.1 KB (100 bytes), rounded up, so that not every change to the SDK is one to the page that says it. */
export const kilobytes = (bytes: number): string => `${(Math.ceil(bytes / 100) / 10).toFixed(1)} KB`
