import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fromPeers, fromServer } from '@parley/protocol/fixtures'
import { Glob } from 'bun'
import { settings } from '../server/src/settings.ts'
import { generatedPages } from './generate.ts'

const root = join(import.meta.dir, '..')
const pages = [...new Glob('*.md').scanSync(root), ...new Glob('{docs,bench}/**/*.md').scanSync(root)]
  .filter(page => !page.includes('node_modules'))
  .sort()
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')

/** What leads to the headings of a page, as GitHub makes it of them. */
function anchorsOf(page: string): string[] {
  const counts = new Map<string, number>()
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const before = counts.get(anchor) ?? 0
    counts.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}

describe('the documentation', () => {
  test('is what "npm run docs" makes of the code', async () => {
    for (const [page, text] of await generatedPages()) expect([page, textOf(`docs/${page}`)]).toEqual([page, text])
    // The reference of the SDK asks a compiler.
  }, 60_000)

  test('shows every golden message', () => {
    for (const name of Object.keys({ ...fromPeers, ...fromServer })) {
      expect(textOf('docs/protocol.md')).toContain(`<!-- golden ${name} -->`)
    }
  })

  test.each(pages)('leads only to headings that exist: %s', page => {
    for (const [, to = '', anchor = ''] of textOf(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)) {
      const target = to === '' ? page : join(dirname(page), to)
      expect([`${to}#${anchor}`, anchorsOf(target)]).toEqual([`${to}#${anchor}`, expect.arrayContaining([anchor])])
    }
  })

  test.each(pages)('names only settings and files that exist: %s', page => {
    const text = textOf(page)
    const known = Object.values(settings).map(({ variable }) => variable as string)
    for (const [variable] of text.matchAll(/\bPARLEY_[A-Z_]+[A-Z]\b/g)) expect(known).toContain(variable)
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      expect([link, existsSync(join(root, dirname(page), link))]).toEqual([link, true])
    }
  })
})
