import { canonicalName, isObject, type JsonObject, SignalingError } from '@parley/protocol'
import { equalTo, oneOf } from './json-equal.ts'

/** What a filter is asked about. */
export interface Described {
  readonly role: string
  readonly metadata: JsonObject
}

type Filter = (peer: Described) => boolean

/** What is asked of one property; `undefined` is one that the peer does not have. */
type Test = (value: unknown) => boolean

const everybody: Filter = () => true
const nobody: Filter = () => false

/**
 * Reads the filters of a `discover_peers` into a predicate, which finds who passes all of them and never throws. Keys
 * that are no filters are ignored: clients send `room_id`. What has another type than it is compared with is not found;
 * so a filter that is null finds nobody, as with v2.
 *
 * @throws SignalingError INVALID_MESSAGE for an unknown operator, so that its sender learns of it in an empty room, too
 */
export function matching(filters: JsonObject): Filter {
  const all = [role(filters.role), tags(filters.tags), properties(filters.properties)]
  return peer => all.every(finds => finds(peer))
}

function role(wanted: unknown): Filter {
  if (wanted === undefined) return everybody
  // Roles are kept in their canonical spelling.
  const name = typeof wanted === 'string' ? canonicalName(wanted) : wanted
  return peer => peer.role === name
}

function tags(wanted: unknown): Filter {
  if (wanted === undefined) return everybody
  if (!Array.isArray(wanted)) return nobody
  const isWanted = oneOf(wanted)
  return ({ metadata }) => Array.isArray(metadata.tags) && metadata.tags.some(isWanted)
}

function properties(wanted: unknown): Filter {
  if (wanted === undefined) return everybody
  if (!isObject(wanted)) return nobody
  const needed: [name: string, test: Test][] = []
  const unneeded = new Map<string, Test>()
  for (const [name, condition] of Object.entries(wanted)) {
    const test = readTest(condition)
    if (test(undefined)) unneeded.set(name, test)
    else needed.push([name, test])
  }
  if (needed.length + unneeded.size === 0) return everybody
  // However many properties the filter names, no more are looked at than the peer has: the first that it lacks is the
  // end of the needed ones, and of the others only its own matter.
  return ({ metadata }) => {
    const { properties: own = {} } = metadata
    if (!isObject(own)) return false
    if (!needed.every(([name, test]) => Object.hasOwn(own, name) && test(own[name]))) return false
    return unneeded.size === 0 || Object.keys(own).every(name => unneeded.get(name)?.(own[name]) ?? true)
  }
}

/** A condition is a value to equal, or an object of operators, all of which must hold. */
function readTest(condition: unknown): Test {
  if (!isObject(condition) || !Object.keys(condition).some(key => key.startsWith('$'))) return equalTo(condition)
  const tests = Object.entries(condition).map(([name, operand]) => (operators.get(name) ?? unknown(name))(operand))
  return value => tests.every(test => test(value))
}

/** Each takes what it compares with; none but `$ne` and `$exists` holds for a property that is not there. */
const operators = new Map<string, (operand: unknown) => Test>([
  ['$eq', equalTo],
  ['$ne', differsFrom],
  ['$gt', ordered((value, bound) => value > bound)],
  ['$gte', ordered((value, bound) => value >= bound)],
  ['$lt', ordered((value, bound) => value < bound)],
  ['$lte', ordered((value, bound) => value <= bound)],
  ['$in', operand => (Array.isArray(operand) ? oneOf(operand) : () => false)],
  ['$exists', operand => value => operand === (value !== undefined)],
])

function unknown(operator: string): never {
  throw new SignalingError(
    'INVALID_MESSAGE',
    `Unknown operator ${JSON.stringify(operator.slice(0, 64))}; the known ones are ${[...operators.keys()].join(', ')}.`,
  )
}

/** What is not there differs from everything; what has another type cannot be compared, so it is not found. */
function differsFrom(operand: unknown): Test {
  const isSame = equalTo(operand)
  const type = jsonType(operand)
  return value => value === undefined || (jsonType(value) === type && !isSame(value))
}

const jsonType = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

/** Numbers have an order, and strings, which is that of their UTF-16 code units; nothing else has. */
function ordered(holds: (value: number | string, bound: number | string) => boolean): (operand: unknown) => Test {
  return operand => {
    if (typeof operand === 'number') return value => typeof value === 'number' && holds(value, operand)
    if (typeof operand === 'string') return value => typeof value === 'string' && holds(value, operand)
    return () => false
  }
}
