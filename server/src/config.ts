import type { z } from 'zod'
import { endpointFaults, identityChoice, serviceFaults, storeChoice } from './config/services.ts'
import { turnChoice, turnFaults } from './config/turn.ts'
import { unknownVariables } from './config/unknown-variables.ts'
import { withoutCredentials } from './formats.ts'
import { type Setting, settings } from './settings.ts'

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

/** The settings, each read by itself. */
export type Values = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> }

/** Who gives out identities, and what it needs to know. */
export type IdentityChoice =
  | { readonly kind: 'local'; readonly lifetime: number; readonly refreshLifetime: number }
  | { readonly kind: 'cognito'; readonly region: string; readonly userPoolId: string; readonly clientId: string }
  | { readonly kind: 'oidc'; readonly issuer: string; readonly audience: string }

/** Where rooms are kept. */
export type StoreChoice =
  | { readonly kind: 'sqlite' }
  | { readonly kind: 'dynamodb'; readonly region: string; readonly table: string }
  | { readonly kind: 'redis' }

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
  const faults: Fault[] = unknownVariables(environment)
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
