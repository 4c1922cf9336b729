import type { z } from 'zod'
import { isEndpoint, withoutCredentials } from './formats.ts'
import { closest } from './misspelling.ts'
import { type Setting, settings } from './settings.ts'

/** Names that the CLI reads, which whoever starts the server may have in the same environment. */
const ofTheCli = ['PARLEY_HOME', 'PARLEY_DEBUG']
/** What some of our settings begin with, and others' variables may, too. */
const shared = /^(COGNITO|TURN)_/

/**
 * Names of the Python server. It started with any values of these, so faulty ones do not keep Parley from taking its place:
 * its container may be stopped already.
 */
const ofTheOriginal: readonly Setting<unknown>[] = [
  settings.turnHost,
  settings.turnPort,
  settings.turnUsername,
  settings.turnPassword,
]
/** The user name that the Python server gave its peers where TURN_USERNAME was not set. */
const originalTurnUsername = 'sleap'

type Values = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> }

/** Who gives out identities, and what it needs to know. */
export type IdentityChoice =
  | { readonly kind: 'local'; readonly lifetime: number; readonly refreshLifetime: number }
  | { readonly kind: 'cognito'; readonly region: string; readonly userPoolId: string; readonly clientId: string }
  | { readonly kind: 'oidc'; readonly issuer: string; readonly audience: string }

/** Where rooms are kept. */
export type StoreChoice =
  | { readonly kind: 'sqlite' }
  | { readonly kind: 'dynamodb'; readonly region: string; readonly table: string }

/** The settings; `turnUrls` has those of `turnHost` too, if it is used. */
export type Config = Values & { readonly identity: IdentityChoice; readonly store: StoreChoice }

export interface Fault {
  /** The setting at fault; undefined if it is something else. */
  readonly variable?: string
  readonly sentence: string
}

/**
 * Reads the settings from environment variables. A variable that is empty counts as not set.
 * @returns the settings, where a faulty one has its default, and every fault: start only if there is none. Warnings say
 *   what is odd, and what comes of it; they are for the log. `malformed` has the faults that no other setting could mend
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): {
  config: Config
  faults: Fault[]
  malformed: Fault[]
  warnings: Fault[]
} {
  const faults: Fault[] = unknown(environment)
  const warnings: Fault[] = []
  const values = Object.entries(settings).map(([name, setting]) => {
    const { variable, schema, fallback, isSecret } = setting
    const given = environment[variable] || fallback
    const result = schema.safeParse(given)
    if (result.success) return [name, result.data]
    const shown = isSecret ? '' : `, but is ${JSON.stringify(withoutCredentials(given))}`
    const sentence = `${variable} ${result.error.issues[0]?.message}${shown}.`
    if (ofTheOriginal.includes(setting)) {
      warnings.push({ variable, sentence: `${sentence} It counts as ${fallback || 'not set'}.` })
    } else faults.push({ variable, sentence })
    return [name, schema.parse(fallback)]
  })
  const malformed = [...faults]
  const given = Object.fromEntries(values) as Values
  const config: Config = Object.freeze({
    ...given,
    ...turnChoice(given, warnings),
    identity: identityChoice(given),
    store: storeChoice(given),
  })
  if (config.maxRoomTtl > 0 && config.roomTtl > config.maxRoomTtl) {
    const { variable } = settings.roomTtl
    faults.push({
      variable,
      sentence: `${variable} must not exceed ${settings.maxRoomTtl.variable} (${config.maxRoomTtl}).`,
    })
  }
  const isSet = ({ variable }: Setting<unknown>) => Boolean(environment[variable])
  const { tlsCert, tlsKey } = settings
  for (const [one, other] of [[tlsCert, tlsKey] as const, [tlsKey, tlsCert] as const]) {
    if (!isSet(one) || isSet(other)) continue
    faults.push({ variable: other.variable, sentence: `${other.variable} is not set, but ${one.variable} needs it.` })
  }
  faults.push(...serviceFaults(config, isSet, faults), ...turnFaults(given, config, faults))
  faults.push(...endpointFaults(config, environment))
  return { config, faults, malformed, warnings }
}

/**
 * Whether Kubernetes has set it, which tells every container where services are, in the form of Docker's links. So a service
 * called parley has variables with our prefix.
 */
const isOfService = (variable: string, value = ''): boolean =>
  /^PARLEY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/.test(variable) ||
  (/^PARLEY_(\w+_)?PORT$/.test(variable) && /^(tcp|udp):\/\//.test(value))

/** Variables that nobody reads: all of ours, and of those that may be others' what is nearly a setting that is not set. */
function unknown(environment: Readonly<Record<string, string | undefined>>): Fault[] {
  const known = new Set<string>(Object.values(settings).map(({ variable }) => variable))
  return Object.keys(environment).flatMap(variable => {
    if (known.has(variable) || ofTheCli.includes(variable)) return []
    if (isOfService(variable, environment[variable])) return []
    const isShared = shared.test(variable) && Boolean(environment[variable])
    if (!isShared && !variable.startsWith('PARLEY_')) return []
    const near = closest(variable, known)
    if (isShared && (!near || environment[near])) return []
    return { variable, sentence: `${variable} is not a setting${near ? `; is ${near} meant?` : '.'}` }
  })
}

/** With the names that the original's container used, and nothing else said, it is as there: Cognito and DynamoDB. */
function identityChoice(given: Values): IdentityChoice {
  // A region alone may be meant for DynamoDB.
  const region = given.storeKind === 'dynamodb' ? '' : given.cognitoRegion
  const isNamed = [given.cognitoUserPoolId, given.cognitoAppClientId, region].some(Boolean)
  const kind = given.identityKind || (isNamed ? 'cognito' : 'local')
  if (kind === 'local') return { kind, lifetime: given.idTokenTtl, refreshLifetime: given.refreshTokenTtl }
  if (kind === 'oidc') return { kind, issuer: given.oidcIssuer, audience: given.oidcAudience }
  return {
    kind,
    region: given.cognitoRegion,
    userPoolId: given.cognitoUserPoolId,
    clientId: given.cognitoAppClientId,
  }
}

function storeChoice(given: Values): StoreChoice {
  const kind = given.storeKind || (identityChoice(given).kind === 'cognito' ? 'dynamodb' : 'sqlite')
  if (kind === 'sqlite') return { kind }
  return { kind, region: given.dynamodbRegion || given.cognitoRegion, table: given.dynamodbTable }
}

/**
 * What the chosen identity provider and room store need beyond what is set, and what is set that they do not use. Where
 * what chooses them is `found` to be malformed, nothing is known of that.
 */
function serviceFaults(
  config: Config,
  isSet: (setting: Setting<unknown>) => boolean,
  found: readonly Fault[],
): Fault[] {
  const { cognitoRegion, cognitoUserPoolId, cognitoAppClientId, oidcIssuer, oidcAudience } = settings
  const { idTokenTtl, refreshTokenTtl, dynamodbTable, dynamodbRegion } = settings
  const { identity, store } = config
  const choosing = [settings.identityKind, settings.storeKind, cognitoRegion, cognitoUserPoolId, cognitoAppClientId]
  if (found.some(fault => choosing.some(({ variable }) => variable === fault.variable))) return []
  const faults: Fault[] = []
  const need = (what: string, needed: readonly Setting<unknown>[]) => {
    for (const setting of needed) {
      const { variable } = setting
      if (!isSet(setting)) faults.push({ variable, sentence: `${variable} is not set, but ${what} needs it.` })
    }
  }
  const refuse = (reason: string, unused: readonly Setting<unknown>[]) => {
    for (const setting of unused) {
      const { variable } = setting
      if (isSet(setting)) faults.push({ variable, sentence: `${variable} is set, but ${reason}; unset it.` })
    }
  }

  const ofCognito = [cognitoUserPoolId, cognitoAppClientId]
  const ofOidc = [oidcIssuer, oidcAudience]
  const notOurs = `the life of tokens is decided by the identity provider (${identity.kind})`
  const notAsked = `identities come from ${identity.kind} (${settings.identityKind.variable})`
  if (identity.kind === 'cognito') need('Cognito', [cognitoRegion, ...ofCognito])
  else refuse(notAsked, ofCognito)
  if (identity.kind === 'oidc') need('an OpenID provider', ofOidc)
  else refuse(notAsked, ofOidc)
  if (identity.kind !== 'local') refuse(notOurs, [idTokenTtl, refreshTokenTtl])

  const regionOfTable = isSet(cognitoRegion) ? cognitoRegion : dynamodbRegion
  if (store.kind === 'dynamodb') need('DynamoDB', identity.kind === 'cognito' ? [] : [regionOfTable])
  else refuse(`rooms are kept in ${store.kind} (${settings.storeKind.variable})`, [dynamodbTable, dynamodbRegion])
  if (identity.kind !== 'cognito' && store.kind !== 'dynamodb') refuse(notAsked, [cognitoRegion])

  // The id of a pool begins with its region.
  const [, home] = /^([a-z]{2,}(?:-[a-z]+)+-\d)_/.exec(config.cognitoUserPoolId) ?? []
  if (identity.kind === 'cognito' && home && config.cognitoRegion && home !== config.cognitoRegion) {
    const { variable } = cognitoRegion
    const sentence = `${variable} is ${config.cognitoRegion}, but the pool of ${cognitoUserPoolId.variable} is in ${home}.`
    faults.push({ variable, sentence })
  }
  return faults
}

/** The AWS SDK reads these itself, and would fail at them with each request. */
function endpointFaults(
  { identity, store }: Config,
  environment: Readonly<Record<string, string | undefined>>,
): Fault[] {
  const ofCognito = identity.kind === 'cognito' ? ['AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER'] : []
  const ofDynamodb = store.kind === 'dynamodb' ? ['AWS_ENDPOINT_URL_DYNAMODB'] : []
  const own = [...ofCognito, ...ofDynamodb]
  const read = own.length > 0 ? ['AWS_ENDPOINT_URL', ...own] : []
  return read.flatMap(variable => {
    const given = environment[variable]
    if (!given || isEndpoint(given)) return []
    const shown = JSON.stringify(withoutCredentials(given))
    return { variable, sentence: `${variable} must be an http: or https: URL, but is ${shown}.` }
  })
}

/** RFC 7065: how the TURN server at `host` is named, over UDP and TCP. */
const turnUrlsOf = (host: string, port: number): string[] =>
  host === '' ? [] : ['udp', 'tcp'].map(transport => `turn:${host}:${port}?transport=${transport}`)

/**
 * The TURN servers, and the pair of credentials for them. TURN_HOST is used where the Python server used it: if there are
 * credentials. Half of what it takes is told as a warning.
 */
function turnChoice(given: Values, warnings: Fault[]): Pick<Values, 'turnUrls' | 'turnUsername'> {
  const { turnHost, turnUsername, turnPassword, turnSecrets } = settings
  const warn = ({ variable }: Setting<unknown>, what: string) =>
    warnings.push({ variable, sentence: `${variable} ${what}.` })
  const hasSecret = given.turnSecrets.length > 0
  const isUsed = given.turnHost !== '' && (hasSecret || given.turnPassword !== '')
  if (given.turnHost && !isUsed) {
    warn(turnHost, `is set, but ${turnPassword.variable} is not, nor ${turnSecrets.variable}: peers are not told of it`)
  }
  if (!given.turnHost && given.turnUrls.length === 0 && !hasSecret) {
    const pair = given.turnUsername ? turnUsername : given.turnPassword ? turnPassword : undefined
    if (pair) warn(pair, `is set, but ${turnHost.variable} is not: peers are told of no TURN server`)
  }
  const isUnnamed = isUsed && !hasSecret && given.turnUsername === ''
  if (isUnnamed) warn(turnUsername, `is not set: peers use "${originalTurnUsername}", as on the Python server`)
  const urls = new Set([...(isUsed ? turnUrlsOf(given.turnHost, given.turnPort) : []), ...given.turnUrls])
  return { turnUrls: [...urls], turnUsername: isUnnamed ? originalTurnUsername : given.turnUsername }
}

/**
 * What Parley's own TURN settings lack together. Where one is `found` to be malformed, none is said to be missing
 * beside it.
 */
function turnFaults(given: Values, config: Config, found: readonly Fault[]): Fault[] {
  const { turnUrls, turnHost, turnUsername, turnPassword, turnSecrets } = settings
  if (found.some(({ variable }) => variable === turnUrls.variable || variable === turnSecrets.variable)) return []
  const lacks = ({ variable }: Setting<unknown>, what: string): Fault[] => [
    { variable, sentence: `${variable} is set, but ${what}.` },
  ]
  if (config.turnSecrets.length > 0) {
    const missing = `no TURN server is: set ${turnHost.variable} or ${turnUrls.variable}`
    return config.turnUrls.length === 0 ? lacks(turnSecrets, missing) : []
  }
  if (given.turnUrls.length === 0 || (config.turnUsername && config.turnPassword)) return []
  if (config.turnUsername) return lacks(turnUsername, `${turnPassword.variable} is not`)
  if (config.turnPassword) return lacks(turnPassword, `${turnUsername.variable} is not`)
  const choice = `${turnSecrets.variable}, or ${turnUsername.variable} and ${turnPassword.variable}`
  return lacks(turnUrls, `no credentials are: set ${choice}`)
}
