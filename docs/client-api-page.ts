import type { Callable, Export } from './client-api.ts'

/** The import that most of it has. */
const main = '@parley/client'

/** The exports that the page is built around, in this order; behind each stands what it is given and gives. */
const chapters = [
  'Parley',
  'Room',
  'Connection',
  'ParleyError',
  'sendFile',
  'onFile',
  'nodeDataChannel',
  'useRoom',
  'signIn',
  'serverAddress',
  'fileSource',
  'safeFileName',
  'Emitter',
]

/**
 * The reference as a page.
 * @param sizes what the parts weigh
 */
export function clientApiPage(exports: readonly Export[], sizes: { main: string; files: string }): string {
  const parts = arrange(exports)
  const links = new Links(parts.flat())
  const contents = parts.map(([first, ...others]) =>
    [links.to(first.name), others.map(({ name }) => links.to(name)).join(', ')].filter(Boolean).join(': '),
  )
  const sections = parts.flatMap(part => part.map((item, index) => section(item, index === 0 ? '##' : '###', links)))
  return `# The SDK, member by member

<!-- Generated from the comments in client/src by "npm run docs"; edit them there. -->

\`@parley/client\` is for browsers, Node and Bun. It has no dependencies and weighs ${sizes.main}, minified and gzipped; who
sends or takes files also loads \`@parley/client/files\`, ${sizes.files}. Begin with [five minutes](five-minutes.md); this page
has the rest. [Audio and video](media.md) and [files](files.md) have pages of their own.

${contents.map(line => `- ${line}`).join('\n')}

Whatever rejects or throws here does so with a [\`ParleyError\`](#parleyerror), except for what a program hands in, as sources
and sinks of files. What stands behind roles, metadata, channels and the server's codes is told in
[protocol.md](protocol.md).

${sections.join('\n\n')}
`
}

/** The parts of the page: a chapter's export, then those that it names and no chapter before it has. */
function arrange(exports: readonly Export[]): [Export, ...Export[]][] {
  const left = new Map(exports.map(item => [item.name, item]))
  const parts: [Export, ...Export[]][] = []
  const takeNamedBy = (item: Export): Export[] =>
    typesIn(item).flatMap(name => {
      const named = left.get(name)
      if (!named || chapters.includes(name)) return []
      left.delete(name)
      return [named, ...takeNamedBy(named)]
    })
  const begin = (name: string) => {
    const item = left.get(name)
    if (!item) throw new Error(`The SDK has no "${name}" to begin a chapter with.`)
    left.delete(name)
    parts.push([item, ...takeNamedBy(item)])
  }
  for (const name of chapters) begin(name)
  // What nothing names stands for itself.
  for (const { name } of exports) if (left.has(name)) begin(name)
  return parts
}

/** The names that may be of types in an export, in order. */
function typesIn({ base, call, declaration, rows, methods }: Export): string[] {
  const texts = [base, call?.signature, declaration, ...rows.map(({ type }) => type), ...methods.map(m => m.signature)]
  return texts.flatMap(text => text?.match(/\b[A-Z]\w+/g) ?? [])
}

/** Where on the page the exports and their methods are. */
class Links {
  /** Name, also as `Room.connect`, → what GitHub calls the heading. */
  readonly #anchors = new Map<string, string>()

  /** @param exports in the order of the page: of two headings that differ in capitals only, the second gets a number */
  constructor(exports: readonly Export[]) {
    const counts = new Map<string, number>()
    const add = (name: string) => {
      const anchor = name.replace('.', '').toLowerCase()
      const before = counts.get(anchor) ?? 0
      counts.set(anchor, before + 1)
      this.#anchors.set(name, before === 0 ? anchor : `${anchor}-${before}`)
    }
    for (const { name, methods } of exports) {
      add(name)
      for (const method of methods) add(`${name}.${method.name}`)
    }
  }

  to(name: string): string {
    return `[\`${name}\`](#${this.#anchors.get(name)})`
  }

  /** Sentences in which names and pages lead to where they are explained. @param about whose methods need no longer name */
  prose(text: string, about = ''): string {
    return text
      .replaceAll(/`([\w.]+)`/g, (span, name: string) => {
        const anchor = this.#anchors.get(name) ?? this.#anchors.get(`${about}.${name}`)
        return anchor === undefined ? span : `[${span}](#${anchor})`
      })
      .replaceAll(/\bdocs\/([\w-]+\.md)/g, '[$1]($1)')
  }

  /** A type that leads to the one export that is named in it, if it is one. */
  type(text: string): string {
    const names = new Set((text.match(/(?<!')\b[A-Z]\w+/g) ?? []).filter(name => this.#anchors.has(name)))
    const [name] = names
    return name !== undefined && names.size === 1 ? `[\`${text}\`](#${this.#anchors.get(name)})` : `\`${text}\``
  }
}

function section(item: Export, mark: string, links: Links): string {
  const { name, from, comment, base, call, declaration, methods } = item
  const isFunction = call && !call.signature.startsWith('new ')
  return paragraphs(
    `${mark} ${name}${isFunction ? '()' : ''}`,
    from === main ? undefined : `From \`${from}\`.`,
    links.prose(comment, name),
    base && extending(base, links),
    declaration && code(declaration),
    call && callText(item, call, links),
    table(item, links),
    ...methods.map(method =>
      paragraphs(`${mark}# ${instanceOf(name)}.${method.name}()`, callText(item, method, links)),
    ),
  )
}

/** What an instance is called in the headings of its methods. */
const instanceOf = (name: string): string => name.slice(0, 1).toLowerCase() + name.slice(1)

function extending(base: string, links: Links): string {
  const [, events] = /^Emitter<(\w+)>$/.exec(base) ?? []
  return events
    ? `Its events are ${links.to(events)}; ${links.to('Emitter.on')} listens to them.`
    : `Extends ${links.type(base)}.`
}

function callText({ name, rows }: Export, call: Callable, links: Links): string {
  const { signature, comment, parameters, throws } = call
  // What a constructor keeps is told where it is kept.
  const said = parameters.filter(parameter => !rows.some(row => row.name === parameter.name))
  return paragraphs(
    code(signature),
    links.prose(comment, name),
    said.map(({ name, comment }) => `- \`${name}\`: ${links.prose(comment)}`).join('\n'),
    throws && links.prose(failing(throws, signature.includes('Promise<') ? 'Rejects with' : 'Throws'), name),
  )
}

/** What a `@throws` says. That it is a ParleyError is said of all; and what has all capitals is a code. */
function failing(throws: string, verb: string): string {
  const what = throws
    .replaceAll(/\s+/g, ' ')
    .replace(/^ParleyError ?/, '')
    .replace(/^that /, 'an error that ')
  if (what.startsWith('as ')) return `${verb.replace(' with', '')} ${what}.`
  return what && `${verb} ${what.replaceAll(/\b[A-Z]+(?:_[A-Z]+)*\b(?<=\w{4})/g, '`$&`').replace(/\.?$/, '.')}`
}

function table({ name, rows }: Export, links: Links): string {
  if (rows.length === 0) return ''
  const hasTypes = rows.some(({ type }) => type)
  const heads = hasTypes
    ? name.endsWith('Events')
      ? ['event', 'listeners are given', 'when']
      : ['member', 'type', 'meaning']
    : ['value', 'meaning']
  const lines = rows.map(row => [
    `\`${row.name}\``,
    ...(hasTypes ? [links.type(row.type)] : []),
    links.prose([row.comment, row.throws && failing(row.throws, 'Rejects with')].filter(Boolean).join(' '), name),
  ])
  return [
    heads,
    heads.map(() => '---'),
    ...lines.map(cells => cells.map(cell => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' '))),
  ]
    .map(cells => `| ${cells.join(' | ')} |`)
    .join('\n')
}

const code = (text: string): string => `\`\`\`ts\n${text}\n\`\`\``

const paragraphs = (...parts: readonly (string | undefined)[]): string => parts.filter(Boolean).join('\n\n')
