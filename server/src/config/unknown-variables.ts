import type { Fault } from '../config.ts'
import { closest } from '../misspelling.ts'
import { settings } from '../settings.ts'

/** Names that the CLI reads, which whoever starts the server may have in the same environment. */
const ofTheCli = ['PARLEY_HOME', 'PARLEY_DEBUG']
/** What some of our settings begin with, and others' variables may, too. */
const shared = /^(COGNITO|TURN)_/

/**
 * Whether Kubernetes has set it, which tells every container where services are, in the form of Docker's links. So a service
 * called parley has variables with our prefix.
 */
const isOfService = (variable: string, value = ''): boolean =>
  /^PARLEY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/.test(variable) ||
  (/^PARLEY_(\w+_)?PORT$/.test(variable) && /^(tcp|udp):\/\//.test(value))

/** Variables that nobody reads: all of ours, and of those that may be others' what is nearly a setting that is not set. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): Fault[] {
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
