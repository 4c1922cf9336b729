import { withoutCredentials } from '../formats.ts'
import { settings } from '../settings.ts'
import { type GivenSettings, placeOf } from './given-settings.ts'

/** Each setting, as it is in force, and where that comes from. A secret is not told, only whether there is one. */
function rows({ config, values }: GivenSettings) {
  // What an empty setting comes to.
  const chosen = new Map<string, string>([
    [settings.identityKind.variable, config.identity.kind],
    [settings.storeKind.variable, config.store.kind],
    [settings.dynamodbRegion.variable, config.store.kind === 'dynamodb' ? config.store.region : ''],
    [settings.turnUsername.variable, config.turnUsername],
  ])
  return Object.values(settings).map(({ variable, isSecret }) => {
    const { text = '', source = { kind: 'default' as const } } = values.get(variable) ?? {}
    const value = text || chosen.get(variable) || ''
    return { variable, isSecret, isSet: value !== '', value: isSecret ? '' : withoutCredentials(value), source }
  })
}

/** For people: a line for each setting, in columns. */
export function settingsInForce(given: GivenSettings): string {
  const shown = rows(given).map(({ variable, isSecret, isSet, value, source }) => {
    return { variable, place: placeOf(source), value: isSet ? (isSecret ? '(hidden)' : value) : '(empty)' }
  })
  const width = (cells: readonly string[]) => Math.max(...cells.map(cell => cell.length))
  const names = width(shown.map(({ variable }) => variable))
  const places = width(shown.map(({ place }) => place))
  const line = ({ variable, place, value }: (typeof shown)[number]) =>
    `${variable.padEnd(names)}  ${place.padEnd(places)}  ${printable(value)}\n`
  return shown.map(line).join('')
}

/** For programs: variable → value, source, and for a file its path and line. The value of a secret is null. */
export function settingsInForceJson(given: GivenSettings): string {
  const entries = rows(given).map(({ variable, isSecret, isSet, value, source: { kind, ...place } }) => {
    return [variable, { value: isSecret ? null : value, source: kind, ...place, ...(isSecret ? { isSet } : {}) }]
  })
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`
}

/** Without what would move the cursor of a terminal. */
const printable = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, character => JSON.stringify(character).slice(1, -1))
