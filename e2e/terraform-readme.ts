import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const sources = {
  variables: ['variables.tf', 'variables-new.tf'],
  outputs: ['outputs.tf'],
} as const

/** One line of HCL of the module, by the name of its argument. */
const argument = (block: string, name: string) => new RegExp(`^  ${name} += (.+)$`, 'm').exec(block)?.[1]

/**
 * The table of a module's variables or outputs, in Markdown, as its README is to have it.
 * @throws Error if one has no description of one line
 */
export async function expectedTable(module: string, what: keyof typeof sources): Promise<string> {
  const texts = await Promise.all(sources[what].map(file => readFile(join(module, file), 'utf8')))
  const kind = what === 'variables' ? 'variable' : 'output'
  const blocks = texts.flatMap(text => text.split(/^(?=\w+ ")/m)).filter(block => block.startsWith(`${kind} "`))
  const rows = blocks.map(block => {
    const name = /"(\w+)"/.exec(block)?.[1] ?? ''
    const description = argument(block, 'description')
    if (!description) throw new Error(`${kind} ${name} has no description`)
    const said = JSON.parse(description) as string
    if (kind === 'output') return `| \`${name}\` | ${said} |`
    const value = argument(block, 'default')
    const shown = value === undefined ? 'to be given' : value === 'null' ? '' : `\`${value}\``
    return `| \`${name}\` | ${shown} | ${said} |`
  })
  const head =
    kind === 'output'
      ? ['| output | meaning |', '| --- | --- |']
      : ['| variable | default | meaning |', '| --- | --- | --- |']
  return [...head, ...rows].join('\n')
}
