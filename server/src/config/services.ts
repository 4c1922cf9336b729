import type { Config, Fault, IdentityChoice, StoreChoice, Values } from '../config.ts'
import { isEndpoint, withoutCredentials } from '../formats.ts'
import { type Setting, settings } from '../settings.ts'

/** With the names that the original's container used, and nothing else said, it is as there: Cognito and DynamoDB. */
export function identityChoice(given: Values): IdentityChoice {
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

export function storeChoice(given: Values): StoreChoice {
  const own = given.redisUrl ? 'redis' : 'sqlite'
  const kind = given.storeKind || (identityChoice(given).kind === 'cognito' ? 'dynamodb' : own)
  if (kind !== 'dynamodb') return { kind }
  return { kind, region: given.dynamodbRegion || given.cognitoRegion, table: given.dynamodbTable }
}

/**
 * What the chosen identity provider and room store need beyond what is set, and what is set that they do not use. Where
 * what chooses them is `found` to be malformed, nothing is known of that.
 */
export function serviceFaults(
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

  const { redisUrl, nodeName, nodeHost, nodePort, storeKind } = settings
  if (store.kind === 'redis') need('the room store redis', [redisUrl])
  if (!isSet(redisUrl)) refuse(`there is no ${redisUrl.variable}`, [nodeName, nodeHost, nodePort])
  else if (store.kind === 'sqlite') {
    const { variable } = storeKind
    const sentence = `${variable} is sqlite, which the other nodes of ${redisUrl.variable} would not see; unset it, or use dynamodb.`
    faults.push({ variable, sentence })
  }

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
export function endpointFaults(
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
