import { serverAddress } from '@parley/client'
import type { Environment } from '../../command.ts'
import { UsageError } from '../../failure.ts'
import { parseIceUrl } from '../ice-url.ts'

/** What the command line says, each empty if it says nothing. */
export interface AwsOptions {
  readonly url?: string | undefined
  readonly ws?: string | undefined
  readonly region?: string | undefined
  readonly pool?: string | undefined
  readonly client?: string | undefined
  readonly table?: string | undefined
  readonly 'table-region'?: string | undefined
  readonly instance?: string | undefined
  readonly role?: string | undefined
  readonly turn?: boolean
  readonly 'relay-ports'?: string | undefined
}

/** Ports that the security group must let in. */
export interface Door {
  readonly protocol: 'tcp' | 'udp'
  readonly from: number
  readonly to: number
  readonly why: string
  /** Those who need it may come from anywhere. */
  readonly isForAll?: boolean
}

/** A TURN server that peers are told of, which may be on the instance. */
export interface TurnDoor {
  /** Undefined: it is on the instance. */
  readonly host: string | undefined
  readonly door: Door
}

/** What is to be looked at. Undefined is what this server does without. */
export interface AwsTarget {
  readonly pool: { readonly region: string; readonly id: string; readonly clientId: string } | undefined
  readonly table: { readonly region: string; readonly name: string } | undefined
  /** The region of the instance. */
  readonly region: string
  readonly instanceId: string | undefined
  /** Where peers reach the server. */
  readonly host: string | undefined
  /** A name, or an ARN. */
  readonly role: string | undefined
  readonly doors: readonly Door[]
  readonly turn: readonly TurnDoor[]
  /** Where coturn relays, once it is on the instance. */
  readonly relays: Door
}

const regionForm = /^[a-z]{2,}(-[a-z]+)+-\d+$/
const command = 'doctor'

/**
 * Puts together what to look at: from the options, and from the environment that the server is given.
 * @throws UsageError that names what is missing, or is of no use
 */
export function awsTarget(options: AwsOptions, env: Environment): AwsTarget {
  const { identity, store } = kindsOf(options, env)
  const poolId = options.pool || env.COGNITO_USER_POOL_ID || ''
  const clientId = options.client || env.COGNITO_APP_CLIENT_ID || ''
  const [, home = ''] = /^([a-z]{2,}(?:-[a-z]+)+-\d+)_/.exec(poolId) ?? []
  const ofProfile = env.AWS_REGION || env.AWS_DEFAULT_REGION || ''
  const poolRegion = options.region || env.COGNITO_REGION || home || ofProfile
  const region = options.region || ofProfile || poolRegion
  const tableRegion = options['table-region'] || env.PARLEY_DYNAMODB_REGION || poolRegion

  need(region || tableRegion, 'Which region', '--region', 'COGNITO_REGION')
  for (const each of [poolRegion, region, tableRegion]) {
    if (each && !regionForm.test(each)) throw new UsageError(`“${each}” is no region of AWS.`, command)
  }
  if (identity === 'cognito') {
    need(poolId, 'Which user pool', '--pool', 'COGNITO_USER_POOL_ID')
    need(clientId, 'Which app client', '--client', 'COGNITO_APP_CLIENT_ID')
  }
  const instanceId = options.instance
  if (instanceId && !/^i-[\da-f]{8,17}$/.test(instanceId)) {
    throw new UsageError(`“${instanceId}” is no instance; its id is like i-0123456789abcdef0.`, command)
  }
  const address = options.url === undefined ? undefined : serverAddress(options.url, options.ws)
  return {
    pool: identity === 'cognito' ? { region: poolRegion, id: poolId, clientId } : undefined,
    table:
      store === 'dynamodb'
        ? { region: tableRegion, name: options.table || env.PARLEY_DYNAMODB_TABLE || 'rooms' }
        : undefined,
    region: region || tableRegion,
    instanceId,
    host: address && new URL(address.httpUrl).hostname.replace(/^\[|\]$/g, ''),
    role: options.role,
    doors: doorsOf(address, env),
    turn: turnOf(options.turn === true, env),
    relays: relaysOf(options['relay-ports']),
  }
}

/** As the server chooses them, with what the options name. */
function kindsOf({ pool, client, table }: AwsOptions, env: Environment) {
  const identity = pool || client ? 'cognito' : env.PARLEY_IDENTITY || 'cognito'
  const store = table ? 'dynamodb' : env.PARLEY_ROOM_STORE || (identity === 'cognito' ? 'dynamodb' : 'sqlite')
  return { identity, store }
}

function need(value: string, question: string, option: string, variable: string): void {
  if (value) return
  throw new UsageError(`${question}? Give ${option}, or ${variable} as the server has it.`, command)
}

function doorsOf(address: { httpUrl: string; wsUrl: string } | undefined, env: Environment): Door[] {
  const door = (port: number, why: string): Door => ({ protocol: 'tcp', from: port, to: port, why })
  if (!address) {
    return [
      door(Number(env.PARLEY_HTTP_PORT) || 8001, 'HTTP API'),
      door(Number(env.PARLEY_WS_PORT) || 8080, 'WebSocket'),
    ]
  }
  const [http, ws] = [new URL(address.httpUrl), new URL(address.wsUrl)]
  const portOf = ({ port, protocol }: URL) => Number(port) || (/^(https|wss):/.test(protocol) ? 443 : 80)
  const doors = [door(portOf(http), 'HTTP API')]
  if (portOf(ws) !== portOf(http)) doors.push(door(portOf(ws), 'WebSocket'))
  // A certificate authority asks there, from addresses that it does not publish (ACME, RFC 8555 section 8.3).
  if (http.protocol === 'https:') doors.push({ ...door(80, 'certificate authority'), isForAll: true })
  return doors
}

function turnOf(isHere: boolean, env: Environment): TurnDoor[] {
  const door = (protocol: Door['protocol'], port: number): Door => ({ protocol, from: port, to: port, why: 'TURN' })
  const port = Number(env.TURN_PORT) || 3478
  const both = (host: string | undefined) => (['udp', 'tcp'] as const).map(each => ({ host, door: door(each, port) }))
  const named = (env.PARLEY_TURN_URLS ?? '').split(',').flatMap(text => {
    const url = parseIceUrl(text.trim())
    if (!url) return []
    const protocol = url.transport === 'udp' || url.transport === 'dtls' ? 'udp' : 'tcp'
    return { host: url.host, door: door(protocol, url.port) }
  })
  return [...(isHere ? both(undefined) : []), ...(env.TURN_HOST ? both(env.TURN_HOST) : []), ...named]
}

/** By default those of the Terraform module. */
function relaysOf(given = '49152-49651'): Door {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(given) ?? []
  if (!from || !to || Number(from) > Number(to) || Number(to) > 65_535) {
    throw new UsageError('--relay-ports must be a range, as 49152-49651.', command)
  }
  return { protocol: 'udp', from: Number(from), to: Number(to), why: 'TURN relays' }
}
