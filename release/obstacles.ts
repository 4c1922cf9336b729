/** A package as it would be published. */
export interface Packed {
  readonly name: string
  readonly version: string
  readonly files: readonly { readonly path: string; readonly size: number }[]
  /** Bytes of the tarball, and of what is in it. */
  readonly size: number
  readonly unpackedSize: number
  /** Versions that it asks for of the other packages, by name. */
  readonly needs: Readonly<Record<string, string>>
}

/** What a release is made from. */
export interface ReleaseState {
  readonly packed: readonly Packed[]
  /** Lines of `git status --porcelain`. */
  readonly changes: readonly string[]
  /** Names of the changesets that no version has yet. */
  readonly changesets: readonly string[]
  /** All of CHANGELOG.md. */
  readonly changelog: string
}

/** Everything that keeps this from being released, in sentences. Without any, it can be published. */
export function obstacles({ packed, changes, changesets, changelog }: ReleaseState): string[] {
  const found: string[] = []
  const [version = ''] = packed.map(({ version }) => version)
  if (changes.length > 0)
    found.push(`What git has is not what is here: commit or undo ${counted(changes.length, 'change')} (git status).`)
  if (changesets.length > 0)
    found.push(`${counted(changesets.length, 'changeset')} must become a version first: npm run release:version`)
  if (packed.some(each => each.version !== version))
    found.push('The packages have different versions; they are released together.')
  if (!hasVersion(changelog, version))
    found.push(`CHANGELOG.md has no section for ${version}: npm run release:version makes it.`)
  for (const { name, files, needs } of packed) {
    const paths = files.map(({ path }) => path)
    for (const file of ['README.md', 'LICENSE', 'package.json'])
      if (!paths.includes(file)) found.push(`${name} has no ${file}.`)
    const test = paths.find(path => /\.(test|contract)\.|^test\//.test(path))
    if (test) found.push(`${name} has tests in it, such as ${test}.`)
    for (const [other, needed] of Object.entries(needs))
      if (needed !== version) found.push(`${name} needs ${other} ${needed}, not ${version}.`)
  }
  return found
}

/** Whether the changelog has a section for this version. */
export const hasVersion = (changelog: string, version: string): boolean =>
  changelog.split('\n').some(line => line.startsWith(`## ${version} `))

/** The number and the word, in the plural if there is more than one. */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
