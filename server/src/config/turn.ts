import type { Config, Fault, Values } from '../config.ts'
import { type Setting, settings } from '../settings.ts'

/** The user name that the Python server gave its peers where TURN_USERNAME was not set. */
const originalTurnUsername = 'sleap'

/** RFC 7065: how the TURN server at `host` is named, over UDP and TCP. */
const turnUrlsOf = (host: string, port: number): string[] =>
  host === '' ? [] : ['udp', 'tcp'].map(transport => `turn:${host}:${port}?transport=${transport}`)

/**
 * The TURN servers, and the pair of credentials for them. TURN_HOST is used where the Python server used it: if there are
 * credentials. Half of what it takes is told as a warning.
 */
export function turnChoice(given: Values, warnings: Fault[]): Pick<Values, 'turnUrls' | 'turnUsername'> {
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
export function turnFaults(given: Values, config: Config, found: readonly Fault[]): Fault[] {
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
