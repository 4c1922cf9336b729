import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** Says what is wrong with a value, or nothing. */
export type Rule = (value: unknown) => string | undefined

/** What a service of AWS takes for one kind of resource. */
export interface ResourceRules {
  /** The page on which AWS says so. */
  readonly document: string
  /** By the name of the argument; of one in a block, `block.argument`. */
  readonly arguments: Readonly<Record<string, Rule>>
}

/** A resource or data source as Terraform would create or read it. */
export interface PlannedResource {
  readonly address: string
  /** Such as `aws_instance`, or `data.aws_vpc`. */
  readonly type: string
  readonly values: Readonly<Record<string, unknown>>
}

/** The page of one operation in the reference of a service. */
export const api = (service: string, operation: string) =>
  `https://docs.aws.amazon.com/${service}/latest/APIReference/API_${operation}.html`

/** Terraform makes a name of a prefix and 26 characters. */
export const generated = 26

interface Text {
  readonly min?: number
  readonly max: number
  readonly of?: RegExp
}

/** A string of `min` to `max` characters, all of which match `of`. */
export function text({ min = 1, max, of }: Text): Rule {
  return value => {
    if (typeof value !== 'string') return 'is no string'
    const length = [...value].length
    if (length < min || length > max) return `has ${length} characters, and ${min} to ${max} are allowed`
    const wrong = of ? [...value].filter(character => !of.test(character)) : []
    return wrong.length > 0 ? `has ${JSON.stringify([...new Set(wrong)].join(''))}, which is not allowed` : undefined
  }
}

/** A string that matches `pattern` as a whole. */
export const form =
  (pattern: RegExp): Rule =>
  value =>
    typeof value === 'string' && pattern.test(value) ? undefined : `is not like ${pattern}`

export const whole =
  (min: number, max: number): Rule =>
  value =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max ? undefined : `is none of ${min} to ${max}`

export const oneOf =
  (...allowed: readonly unknown[]): Rule =>
  value =>
    allowed.includes(value) ? undefined : `is none of ${allowed.join(', ')}`

/** Each rule, of which the first that is broken is told. */
export const all =
  (...rules: readonly Rule[]): Rule =>
  value => {
    for (const rule of rules) {
      const wrong = rule(value)
      if (wrong) return wrong
    }
    return undefined
  }

/** A string without some beginnings, in whatever case they are written. */
export const notBeginning =
  (...beginnings: readonly string[]): Rule =>
  value =>
    beginnings.some(beginning => String(value).toLowerCase().startsWith(beginning))
      ? `begins with one of ${beginnings.join(', ')}`
      : undefined

/** Base64 of at most `max` bytes of gzip, and in them a text that obeys `rule`. */
export const packed =
  (max: number, rule: Rule): Rule =>
  value => {
    const bytes = Buffer.from(String(value), 'base64')
    if (bytes.length > max) return `has ${bytes.length} bytes, and ${max} are allowed`
    return rule(gunzipSync(bytes).toString())
  }

/** No service restricts it. */
export const anything: Rule = () => undefined

/** An argument whose value another resource makes, or AWS. */
export const reference = anything

/** On or off. */
export const boolean: Rule = value => (typeof value === 'boolean' ? undefined : 'is no boolean')

interface Tags {
  readonly key: Text
  readonly value: Text
  /** Whether the service takes `Team` and `team` for one key. */
  readonly ignoresCase?: boolean
}

/** Up to 50 tags. Keys that begin with `aws:` are AWS's own. */
export function tags({ key, value, ignoresCase = false }: Tags): Rule {
  const rightKey = all(text(key), notBeginning('aws:'))
  return given => {
    const entries = Object.entries(given as Readonly<Record<string, unknown>>)
    if (entries.length > 50) return `are ${entries.length}, and 50 are allowed`
    const distinct = new Set(entries.map(([name]) => (ignoresCase ? name.toLowerCase() : name)))
    if (distinct.size < entries.length) return 'have two keys that differ in nothing but case'
    for (const [name, content] of entries) {
      const wrongKey = rightKey(name)
      if (wrongKey) return `have a key ${JSON.stringify(name)} that ${wrongKey}`
      const wrongValue = text(value)(content)
      if (wrongValue) return `have a value of ${JSON.stringify(name)} that ${wrongValue}`
    }
    return undefined
  }
}

/** The values at `path`, of all blocks and members of lists on the way; null is none. */
function valuesAt(values: unknown, [name, ...rest]: readonly string[]): unknown[] {
  if (values === null || values === undefined) return []
  if (Array.isArray(values)) return values.flatMap(value => valuesAt(value, name === undefined ? [] : [name, ...rest]))
  if (name === undefined) return [values]
  return valuesAt((values as Readonly<Record<string, unknown>>)[name], rest)
}

/** What AWS would refuse, in sentences: none if there is nothing. */
export function violations(
  resources: readonly PlannedResource[],
  table: Readonly<Record<string, ResourceRules>>,
): string[] {
  return resources.flatMap(({ address, type, values }) => {
    const rules = table[type]
    if (!rules) return [`${address}: there are no rules for ${type}`]
    return Object.entries(rules.arguments).flatMap(([path, rule]) =>
      valuesAt(values, path.split('.')).flatMap(value => {
        const wrong = rule(value)
        return wrong ? [`${address}: ${path} ${wrong} (${rules.document})`] : []
      }),
    )
  })
}

/** EC2 refuses two rules of one group that are the same (InvalidPermission.Duplicate). */
export function duplicateRules(resources: readonly PlannedResource[]): string[] {
  const known = new Set<string>()
  return resources
    .filter(({ type }) => /^aws_vpc_security_group_\w+_rule$/.test(type))
    .flatMap(({ address, type, values }) => {
      const { ip_protocol, from_port, to_port, cidr_ipv4 } = values
      const rule = [type, ip_protocol, from_port, to_port, cidr_ipv4].join(' ')
      if (known.has(rule)) return [`${address}: there is such a rule already: ${rule}`]
      known.add(rule)
      return []
    })
}

/** Arguments of Terraform, not of AWS. */
const ofTerraform = new Set(['count', 'for_each', 'depends_on', 'provider'])

/**
 * Every argument that the modules set, such as `aws_instance.metadata_options.http_tokens`, and the address of every
 * resource and data source, such as `data.aws_vpc.this`. The files are formatted: the indentation is the nesting.
 */
export async function argumentsOf(folder: string): Promise<{ addresses: Set<string>; paths: Set<string> }> {
  const addresses = new Set<string>()
  const paths = new Set<string>()
  for (const file of (await readdir(folder)).filter(name => name.endsWith('.tf'))) {
    let blocks: string[] = []
    for (const line of (await readFile(join(folder, file), 'utf8')).split('\n')) {
      const declared = /^(resource|data) "(\w+)" "(\w+)" \{$/.exec(line)
      const depth = (/^ */.exec(line)?.[0].length ?? 0) / 2
      if (declared) {
        const type = declared[1] === 'data' ? `data.${declared[2]}` : String(declared[2])
        addresses.add(`${type}.${declared[3]}`)
        blocks = [type]
      } else if (/^ *(#.*)?$/.test(line)) continue
      else if (line === '}') blocks = []
      else if (blocks.length > 0 && depth <= blocks.length) {
        blocks = blocks.slice(0, depth)
        const [, name, opens] = /^ *(\w+)(?: +(=)| \{$)/.exec(line) ?? []
        if (name && !opens) blocks.push(name)
        else if (name && !ofTerraform.has(name) && blocks[1] !== 'lifecycle') paths.add([...blocks, name].join('.'))
      }
    }
  }
  return { addresses, paths }
}
