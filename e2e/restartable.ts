import { onTestFinished } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ParleyProcess, startParley } from './parley-process.ts'

/** A server that goes and comes back, on the same ports and with the same data. */
export interface RestartableServer extends Pick<ParleyProcess, 'httpUrl' | 'wsUrl'> {
  /** Resolves when it has ended. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Resolves when it is ready again. */
  start(): Promise<void>
}

/** Starts one. It ends with the test at the latest, and its data with it. */
export async function startRestartable(settings: Readonly<Record<string, string>> = {}): Promise<RestartableServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  const first = await startParley({ dataDir, settings })
  let current: ParleyProcess | undefined = first
  const stop = async (signal: 'SIGTERM' | 'SIGKILL') => {
    await current?.stop(signal)
    current = undefined
  }
  onTestFinished(async () => {
    // The first one has been ended before, as it began before.
    if (current !== first) await stop('SIGKILL')
    await rm(dataDir, { recursive: true, force: true })
  })
  const { httpUrl, wsUrl } = first
  const ports = { PARLEY_HTTP_PORT: new URL(httpUrl).port, PARLEY_WS_PORT: new URL(wsUrl).port }
  return {
    httpUrl,
    wsUrl,
    stop,
    async start() {
      current = await startParley({ dataDir, settings: { ...settings, ...ports } })
    },
  }
}
