import type { Option, OptionTable } from './command.ts'
import type { Listed } from './executable.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The script with which a shell completes commands and options; where neither can stand, it completes names of files. */
export const completion: Readonly<Record<Shell, (commands: readonly Listed[]) => string>> = { bash, zsh, fish }

const names = (commands: readonly Listed[]): string => [...commands.map(({ name }) => name), 'help'].join(' ')

const visible = (options: OptionTable): [string, Option][] =>
  Object.entries(options).filter(([, { isHidden }]) => !isHidden)

/** In single quotes, as all three shells read them. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** The first sentence says enough beside the name. */
const brief = (text: string): string => /^.*?[.;](?= |$)/.exec(text)?.[0].slice(0, -1) ?? text

function bash(commands: readonly Listed[]): string {
  const cases = commands.map(
    ({ name, options }) =>
      `    ${name}) words=${quoted(
        visible(options)
          .map(([option]) => `--${option}`)
          .join(' '),
      )} ;;`,
  )
  return `_parley() {
  local word=\${COMP_WORDS[COMP_CWORD]} words=${quoted(names(commands))}
  if ((COMP_CWORD > 1)); then
    if [[ $word != -* && \${COMP_WORDS[1]} != help ]]; then return; fi
    case \${COMP_WORDS[1]} in
${cases.join('\n')}
    help) ;;
    *) return ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _parley parley
`
}

function zsh(commands: readonly Listed[]): string {
  // In _arguments and _describe a colon ends a part, and a bracket the description.
  const part = (text: string) => text.replaceAll(/[:[\]\\]/g, '\\$&')
  const described = commands.map(({ name, summary }) => quoted(`${name}:${part(summary)}`))
  const argument = ([name, { value, multiple, meaning }]: [string, Option]) => {
    const what = value === undefined ? '' : `:${part(value)}:_files`
    return quoted(`${multiple ? '*' : ''}--${name}[${part(brief(meaning))}]${what}`)
  }
  const cases = commands.map(
    ({ name, options }) => `    ${name}) _arguments ${visible(options).map(argument).join(' ')} '*:file:_files' ;;`,
  )
  return `#compdef parley
_parley() {
  local -a commands=(${described.join(' ')} 'help:Explains a command')
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  if [[ $command == help ]]; then
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
}
compdef _parley parley
`
}

function fish(commands: readonly Listed[]): string {
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c parley -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...visible(options).map(([option, { short, value, meaning }]) => {
      const letter = short === undefined ? '' : ` -s ${short}`
      const takes = value === undefined ? '' : ' -r'
      return `complete -c parley -n '__fish_seen_subcommand_from ${name}' -l ${option}${letter}${takes} -d ${quoted(brief(meaning))}`
    }),
  ])
  const help = `complete -c parley -n __fish_use_subcommand -f -a help -d 'Explains a command'`
  const topics = `complete -c parley -n '__fish_seen_subcommand_from help' -f -a ${quoted(names(commands))}`
  return `${[...lines, help, topics].join('\n')}\n`
}
