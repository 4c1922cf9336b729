import { parseArgs } from 'node:util'
import type { AnyValues, Option, OptionTable } from './command.ts'
import { UsageError } from './failure.ts'
import { nearest } from './nearest.ts'

export interface Arguments {
  readonly values: AnyValues
  readonly operands: readonly string[]
}

/**
 * Reads what stands behind the name of a command. An option of several values takes all words up to the next option; not
 * those that `isOperand` knows to be something else, so that the order does not matter.
 * @throws UsageError that names the option, and for one that is not known the nearest
 */
export function readArguments(
  args: readonly string[],
  options: OptionTable,
  command: string,
  isOperand: (word: string) => boolean = () => false,
): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
    ),
    // The complaints are made here, since they are to help.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, boolean | string[]>()
  const operands: string[] = []
  let open: string[] | undefined
  for (const token of tokens) {
    if (token.kind === 'option-terminator') open = undefined
    else if (token.kind === 'positional') {
      if (open && !isOperand(token.value)) open.push(token.value)
      else operands.push(token.value)
    } else {
      const { name, rawName, value, inlineValue } = token
      const option = Object.hasOwn(options, name) ? options[name] : undefined
      if (!option) throw unknown(rawName, options, command)
      open = undefined
      if (option.type === 'boolean') {
        if (inlineValue) throw new UsageError(`${rawName} takes no value.`, command)
        values.set(name, true)
        continue
      }
      const text = textOf(rawName, option, value, inlineValue, command)
      const before = values.get(name)
      if (Array.isArray(before) && !option.multiple) throw new UsageError(`${rawName} is given twice.`, command)
      const all = [...(Array.isArray(before) ? before : []), text]
      values.set(name, all)
      if (option.multiple) open = all
    }
  }
  return { values: complete(values, options), operands }
}

function textOf(
  rawName: string,
  { value: kind = 'VALUE' }: Option,
  value: string | undefined,
  inlineValue: boolean | undefined,
  command: string,
): string {
  if (value === undefined) throw new UsageError(`${rawName} needs a value: ${rawName} ${kind}.`, command)
  if (!inlineValue && /^-./.test(value)) {
    throw new UsageError(`${rawName} needs a value; if ${value} is meant to be it, write ${rawName}=${value}.`, command)
  }
  return value
}

function unknown(rawName: string, options: OptionTable, command: string): UsageError {
  const visible = Object.keys(options).filter(name => !options[name]?.isHidden)
  const near = nearest(rawName.replace(/^-+/, ''), visible)
  const hint = near === undefined ? '.' : `; is --${near} meant?`
  return new UsageError(`There is no option ${rawName}${hint}`, command)
}

/** Every option has a value, so that nobody has to ask whether it has. */
function complete(values: ReadonlyMap<string, boolean | string[]>, options: OptionTable): AnyValues {
  const entries = Object.entries(options).map(([name, { type, multiple }]) => {
    const value = values.get(name)
    if (type === 'boolean') return [name, value === true]
    const all = Array.isArray(value) ? value : []
    return [name, multiple ? all : all[0]]
  })
  return Object.fromEntries(entries)
}
