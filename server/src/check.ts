import type { IceServer } from '@parley/protocol'
import type { Config, Fault } from './config.ts'
import { iceServers } from './ice/ice-servers.ts'
import { reasons } from './log.ts'
import { folderOnly } from './preflight.ts'
import { settings } from './settings.ts'
import { describeCertificate, type PairOfFiles } from './tls/files.ts'
import { describeIdentity, describeStore } from './welcome.ts'

export interface CheckParts {
  readonly config: Config
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
  readonly version: string
  /** The files of the certificate, where the settings name them. */
  readonly tls?: PairOfFiles | undefined
  /** What else the server needs, by its name in a sentence: each rejects if it does not answer. Undefined: nothing is asked. */
  readonly services: ReadonlyMap<string, () => Promise<unknown>> | undefined
}

export interface Verdict {
  /** For standard output: what the server would be. */
  readonly report: string
  /** For standard error, each a sentence: what should be looked at, and what is wrong. */
  readonly complaints: readonly string[]
  /** 0 if the server would start, and what was asked answers; otherwise 1. */
  readonly exitCode: 0 | 1
}

/**
 * Says what the server would do with these settings, without doing it: it listens nowhere, and leaves the data folder as it
 * is, so that another server may run at the same time. No secret is told.
 */
export async function check({ config, faults, warnings, version, tls, services }: CheckParts): Promise<Verdict> {
  const told = [...warnings, ...(tls?.warnings ?? [])].map(({ sentence }) => `warning: ${sentence}`)
  const obstacles = [...faults, ...folderOnly(config, faults), ...(tls?.faults ?? [])].map(({ sentence }) => sentence)
  if (obstacles.length > 0) {
    const count = obstacles.length === 1 ? '1 fault' : `${obstacles.length} faults`
    return {
      report: '',
      complaints: [...told, ...obstacles, `Parley ${version} would not start: ${count}.`],
      exitCode: 1,
    }
  }
  const answers = await Promise.all([...(services ?? [])].map(ask))
  const rows = [
    ...configuration(config, tls),
    ...answers.map(({ name, failure }) => row(name, failure ? 'does not answer' : 'answers')),
  ]
  const failures = answers.flatMap(({ failure }) => failure ?? [])
  const but = failures.length > 0 ? ', but something that it needs does not answer' : ''
  const report = `Parley ${version} would start with these settings${but}.\n\n${rows.join('\n')}\n`
  return { report, complaints: [...told, ...failures], exitCode: failures.length > 0 ? 1 : 0 }
}

async function ask([name, answer]: readonly [string, () => Promise<unknown>]): Promise<{
  name: string
  failure?: string
}> {
  try {
    await answer()
    return { name }
  } catch (error) {
    return { name, failure: reasons(error) }
  }
}

const row = (name: string, value: string): string => `  ${name.padEnd(11)} ${value}`

/** Several values, one below the other. */
const rowsOf = (name: string, values: readonly string[]): string[] =>
  values.length === 0 ? [row(name, 'none')] : values.map((value, index) => row(index === 0 ? name : '', value))

function configuration(config: Config, tls: PairOfFiles | undefined): string[] {
  const { host, httpPort, wsPort, dataDir, identity, store } = config
  const portOf = (port: number) => (port === 0 ? 'a free port' : `port ${port}`)
  const client = identity.kind === 'cognito' ? `, app client ${identity.clientId}, in ${identity.region}` : ''
  const { ice_servers, mesh_ice_servers } = iceServers(config, 'nobody', 0)
  return [
    row('HTTP API', `${host}, ${portOf(httpPort)}`),
    row('WebSocket', `${host}, ${portOf(wsPort)}`),
    ...(tls?.certificate ? [row('TLS', describeCertificate(tls.certificate))] : []),
    row('Data', dataDir),
    row('Identities', `${describeIdentity(identity)}${client}`),
    row('Rooms', describeStore(store)),
    ...rowsOf(
      'ICE servers',
      ice_servers.flatMap(server => urlsOf(server, config)),
    ),
    ...rowsOf(
      'In meshes',
      mesh_ice_servers.flatMap(server => urlsOf(server, config)),
    ),
  ]
}

/** Each address, with what kind of credentials peers get for it. */
function urlsOf({ urls, credential }: IceServer, { turnSecrets, turnTtl, turnUsername }: Config): string[] {
  const { turnSecrets: secret, turnPassword: password } = settings
  const own = `credentials of ${turnTtl} s for each peer (${secret.variable})`
  const shared = `user name ${JSON.stringify(turnUsername)} and ${password.variable} for every peer`
  const how = credential === undefined ? '' : `, ${turnSecrets.length > 0 ? own : shared}`
  return [urls].flat().map(url => `${url}${how}`)
}
