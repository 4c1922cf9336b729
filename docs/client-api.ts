import { join } from 'node:path'
import {
  Application,
  type Comment,
  type Context,
  Converter,
  type DeclarationReflection,
  Logger,
  LogLevel,
  type Reflection,
  ReflectionKind,
  type SignatureReflection,
  type SomeType,
  type TypeScript as ts,
} from 'typedoc'

/** Something that has a name, a type and a meaning: a property, an event, one of several values. */
export interface Row {
  readonly name: string
  readonly type: string
  readonly comment: string
  /** What goes wrong, as behind `@throws`. */
  readonly throws?: string | undefined
}

/** Something that is called. */
export interface Callable {
  readonly name: string
  /** As TypeScript, from the name on. */
  readonly signature: string
  readonly comment: string
  /** What is said of the parameters, of those of which something is said. */
  readonly parameters: readonly Row[]
  readonly throws: string | undefined
}

/** One export of the SDK. Types are as they are written in the source. */
export interface Export {
  readonly name: string
  /** The import that has it. */
  readonly from: string
  readonly comment: string
  /** What it is made of or builds upon: `Emitter<RoomEvents>`. */
  readonly base: string | undefined
  /** A function, or `new` of a class whose instances are made by whoever uses it. */
  readonly call: Callable | undefined
  /** What a type stands for, or the type of a value, as TypeScript. */
  readonly declaration: string | undefined
  readonly rows: readonly Row[]
  readonly methods: readonly Callable[]
}

const client = join(import.meta.dir, '../client')

/** What types name that others than this repository have no use for. */
const unexported = ['Request', 'NativePeerConnection', 'NativeConfiguration']

/**
 * Reads the exports of the SDK and the comments at them, in the order of the source.
 * @param entries file below client/src → the import that leads there
 * @throws Error that names what has no comment, or is used in a type and not exported
 */
export async function readClientApi(entries: ReadonlyMap<string, string>): Promise<Export[]> {
  const faults = new Faults()
  const app = await Application.bootstrap({
    entryPoints: [...entries.keys()].map(file => join(client, 'src', file)),
    tsconfig: join(client, 'tsconfig.json'),
    // The compiler checks the types; here they are only read.
    skipErrorChecking: true,
    disableSources: true,
    disableGit: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeInternal: true,
    readme: 'none',
    sort: [],
    validation: { notExported: true, invalidLink: true, notDocumented: false },
    intentionallyNotExported: unexported,
  })
  app.logger = faults
  const source = new Source(app)
  const project = await app.convert()
  if (project) app.validate(project)
  if (!project || faults.found.length > 0) throw new Error(['In client/src:', ...faults.found].join('\n'))
  const modules = entries.size === 1 ? [project] : (project.children ?? [])
  const imports = [...entries.values()]
  const exports = modules.flatMap(({ children = [] }, index) =>
    children.map(reflection => exported(reflection, imports[index] ?? '', source)),
  )
  const silent = exports.flatMap(withoutComment)
  if (silent.length > 0) throw new Error(['Without a comment in client/src:', ...silent].join('\n'))
  return exports
}

/** Names of what nothing is said of. */
function withoutComment({ name, comment, call, rows, methods }: Export): string[] {
  const members = [...rows, ...methods].filter(({ comment }) => !comment).map(member => `${name}.${member.name}`)
  return comment || call?.comment ? members : [name, ...members]
}

/** What typedoc complains of. */
class Faults extends Logger {
  readonly found: string[] = []

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.found.push(message)
  }
}

/** Types as they are written in the source, which typedoc words anew. */
class Source {
  readonly #types = new WeakMap<Reflection, ts.TypeNode>()

  constructor({ converter }: Application) {
    const keep = (reflection: Reflection, node: ts.Node | undefined) => {
      const type =
        (node as Partial<ts.VariableDeclaration>)?.type ?? (node as Partial<ts.TypeParameterDeclaration>)?.constraint
      if (type) this.#types.set(reflection, type)
    }
    const keepDeclared = (context: Context, reflection: Reflection) =>
      keep(reflection, context.getSymbolFromReflection(reflection)?.declarations?.[0])
    converter.on(Converter.EVENT_CREATE_DECLARATION, keepDeclared)
    converter.on(Converter.EVENT_CREATE_PARAMETER, keepDeclared)
    converter.on(Converter.EVENT_CREATE_TYPE_PARAMETER, keepDeclared)
    converter.on(Converter.EVENT_CREATE_SIGNATURE, (_, reflection, node) => keep(reflection, node))
  }

  type(reflection: Reflection & { readonly type?: SomeType }): string {
    return tidy(this.#types.get(reflection)?.getText() ?? String(reflection.type).replaceAll('"', "'"))
  }

  /** The alternatives of a union. */
  alternatives(reflection: Reflection): string[] {
    const node = this.#types.get(reflection)
    return node && 'types' in node ? (node.types as ts.TypeNode[]).map(type => tidy(type.getText())) : []
  }
}

/** On one line, and without what a reader need not be told: nothing here can be assigned to. */
const tidy = (type: string): string =>
  type
    .replace(/^\|/, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\breadonly (?=\w+\??:)/g, '')
    .trim()

function exported(reflection: DeclarationReflection, from: string, source: Source): Export {
  const { name, kind, children = [], signatures = [], comment } = reflection
  const own = children.filter(child => !child.inheritedFrom && !isRepeated(child))
  const call =
    kind === ReflectionKind.Function
      ? signatures[0]
      : own.find(child => child.kind === ReflectionKind.Constructor)?.signatures?.[0]
  const isWorthCalling = kind === ReflectionKind.Function || (call?.parameters?.length ?? 0) > 0
  const { elementSummaries } = (reflection.type ?? {}) as { elementSummaries?: Comment['summary'][] }
  return {
    name,
    from,
    comment: kind === ReflectionKind.Function ? '' : textOf(comment?.summary),
    base: reflection.extendedTypes?.join(', '),
    call: call && isWorthCalling ? callable(call, source, kind === ReflectionKind.Function ? '' : 'new ') : undefined,
    declaration: elementSummaries ? undefined : declaration(reflection, source),
    rows: elementSummaries
      ? source.alternatives(reflection).map((alternative, index) => {
          return { name: alternative, type: '', comment: textOf(elementSummaries[index]) }
        })
      : [...own.flatMap(child => row(child, source)), ...indexRows(reflection, source)],
    methods: own
      .filter(child => child.kind === ReflectionKind.Method)
      .flatMap(child => child.signatures ?? [])
      .map(signature => callable(signature, source)),
  }
}

/** Whether it overrides something and has nothing to add to what is said of that. */
const isRepeated = ({ overwrites, signatures }: DeclarationReflection): boolean =>
  overwrites !== undefined && signatures?.[0]?.comment?.inheritedFromParentDeclaration === true

function declaration(reflection: DeclarationReflection, source: Source): string | undefined {
  if (reflection.kind === ReflectionKind.TypeAlias) return `type ${reflection.name} = ${source.type(reflection)}`
  if (reflection.kind === ReflectionKind.Variable) return `const ${reflection.name}: ${source.type(reflection)}`
  return undefined
}

function row(child: DeclarationReflection, source: Source): Row[] {
  const { name, kind, flags, getSignature, comment } = child
  if (kind === ReflectionKind.Accessor && getSignature) {
    return [{ name, type: source.type(getSignature), ...saidIn(getSignature.comment) }]
  }
  if (kind !== ReflectionKind.Property) return []
  return [{ name: flags.isOptional ? `${name}?` : name, type: source.type(child), ...saidIn(comment) }]
}

const indexRows = ({ indexSignatures = [] }: DeclarationReflection, source: Source): Row[] =>
  indexSignatures.map(signature => {
    const [key] = signature.parameters ?? []
    return {
      name: `[${key?.name}: ${key?.type}]`,
      type: source.type(signature),
      comment: textOf(signature.comment?.summary),
    }
  })

function callable(signature: SignatureReflection, source: Source, prefix = ''): Callable {
  const { name, typeParameters = [], parameters = [], comment } = signature
  const types = typeParameters
    .map(parameter => (parameter.type ? `${parameter.name} extends ${source.type(parameter)}` : parameter.name))
    .join(', ')
  const list = parameters.map(parameter => {
    const rest = parameter.flags.isRest ? '...' : ''
    const mark = parameter.flags.isOptional || parameter.defaultValue !== undefined ? '?' : ''
    return `${rest}${nameOf(parameter.name)}${mark}: ${source.type(parameter)}`
  })
  const begin = `${prefix}${name}${types && `<${types}>`}(`
  const end = prefix === 'new ' ? ')' : `): ${source.type(signature)}`
  const line = `${begin}${list.join(', ')}${end}`
  return {
    name,
    signature: line.length <= 100 ? line : `${begin}\n${list.map(parameter => `  ${parameter},\n`).join('')}${end}`,
    comment: textOf(comment?.summary),
    parameters: parameters
      .filter(parameter => parameter.comment)
      .map(parameter => ({
        name: nameOf(parameter.name),
        type: source.type(parameter),
        comment: textOf(parameter.comment?.summary),
      })),
    throws: throwsOf(comment),
  }
}

/** A parameter that is taken apart at once has no name of its own. */
const nameOf = (parameter: string): string => (parameter === '__namedParameters' ? 'options' : parameter)

const textOf = (parts: Comment['summary'] | undefined): string =>
  (parts ?? [])
    .map(part => part.text)
    .join('')
    .trim()

function throwsOf(comment: Comment | undefined): string | undefined {
  const tag = comment?.blockTags.find(({ tag }) => tag === '@throws')
  return tag && textOf(tag.content)
}

const saidIn = (comment: Comment | undefined) => ({ comment: textOf(comment?.summary), throws: throwsOf(comment) })
