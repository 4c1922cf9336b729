import { accessSync, constants, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
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
  if (!isFaulty(dataDir.variable)) faults.push(...folderFaults(config.dataDir, makeFolder))
  const isOnePort = config.httpPort === config.wsPort
  for (const [{ variable }, port] of [
    [httpPort, config.httpPort] as const,
    ...(isOnePort ? [] : [[wsPort, config.wsPort] as const]),
  ]) {
    if (!isFaulty(variable, host.variable)) faults.push(...portFaults(variable, config.host, port))
  }
  return faults
}

/** The same of the folder alone, which is not even made: another server may use it, and the ports, at the moment. */
export function folderOnly({ dataDir: folder }: Config, found: readonly Fault[]): Fault[] {
  const { variable } = settings.dataDir
  if (found.some(fault => fault.variable === variable)) return []
  return folderFaults(folder, lookAtFolder)
}

const access = constants.R_OK | constants.W_OK | constants.X_OK

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  accessSync(folder, access)
}

/** Of one that is missing, what it would be made in. */
function lookAtFolder(folder: string): void {
  let nearest = resolve(folder)
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest)
  // Behind a file there is nothing, and nothing can be made there.
  readdirSync(nearest)
  accessSync(nearest, access)
}

/** @param tryFolder throws the system's error if the folder cannot be used */
function folderFaults(folder: string, tryFolder: (folder: string) => void): Fault[] {
  try {
    tryFolder(folder)
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
