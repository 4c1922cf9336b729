import { readFileSync } from 'node:fs'
import { plugin } from 'bun'
import { mutants } from './mutants.ts'

// Loaded before the fuzzer: as one source file is read, a guard in it goes missing.

const mutant = mutants[Number(process.env.FUZZ_MUTANT)]
if (!mutant) throw new Error('FUZZ_MUTANT must be the number of a mutant.')
const [file, guard, instead] = mutant

plugin({
  name: 'mutant',
  setup(build) {
    build.onLoad({ filter: new RegExp(`/${file.replaceAll('.', '\\.')}$`) }, ({ path }) => {
      const source = readFileSync(path, 'utf8')
      if (source.split(guard).length !== 2) {
        console.log(`stale: ${file} does not have this once`)
        process.exit(4)
      }
      return { contents: source.replace(guard, () => instead), loader: 'ts' }
    })
  },
})
