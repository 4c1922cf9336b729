import { accessSync, constants, mkdirSync } from 'node:fs'
import type { Config, Fault } from './config.ts'
import { settings } from './settings.ts'

/**
 * What outside the settings would keep the server from starting: its folder, its ports. Looks at everything, so that
 * all faults are told at once, but leaves out what `found` has a fault of already.
 */
export function preflight(config: Config, found: readonly Fault[]): Fault[] {
  const { dataDir, host, httpPort, wsPort } = settings
  const isFaulty = (...variables: string[]) => found.some(({ variable }) => variables.includes(variable ?? ''))
  const faults: Fault[] = []
  if (!isFaulty(dataDir.variable)) faults.push(...folderFaults(config.dataDir))
  for (const [{ variable }, port] of [
    [httpPort, config.httpPort],
    [wsPort, config.wsPort],
  ] as const) {
    if (!isFaulty(variable, host.variable)) faults.push(...portFaults(variable, config.host, port))
  }
  return faults
}

function folderFaults(folder: string): Fault[] {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    return []
  } catch (error) {
    const { variable } = settings.dataDir
    return [{ variable, sentence: `${variable}: the folder ${folder} cannot be used (${codeOf(error)}).` }]
  }
}

function portFaults(variable: string, host: string, port: number): Fault[] {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true)
    return []
  } catch (error) {
    return [{ variable, sentence: listenFault(variable, host, port, error) }]
  }
}

/** Why the server could not listen, in a sentence. */
function listenFault(variable: string, host: string, port: number, error: unknown): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE')
    return `${variable}: port ${port} on ${host} is in use; stop what uses it, or set another port.`
  if (code === 'EACCES')
    return `${variable}: port ${port} needs a privilege that this user does not have; set one from 1024 on.`
  return `${variable}: cannot listen on ${host}, port ${port} (${code}); check ${settings.host.variable}.`
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)
