import { mutants } from './mutants.ts'

// Removes one guard after the other, and says which of them the fuzzer does not miss.
// Usage: npm run fuzz:mutants -- [word in the file or guard]

const [word = ''] = process.argv.slice(2)
/** Inputs after which a guard counts as not missed. */
const enough: Readonly<Record<string, string>> = { decode: '400000', http: '20000', frames: '30000' }
const script = `${import.meta.dir}/main.ts`
let unnoticed = 0
let asked = 0
for (const [index, [file, guard, instead, targets]] of mutants.entries()) {
  const line = `${file}: ${JSON.stringify(guard)} -> ${JSON.stringify(instead)}`
  if (!line.includes(word)) continue
  asked++
  const start = performance.now()
  const fuzzer = Bun.spawn(
    [
      process.execPath,
      '--preload',
      './fuzz/mutate.ts',
      script,
      '--only',
      targets,
      '--seconds',
      '300',
      '--inputs',
      enough[targets] ?? '0',
      '--seed',
      '1',
      '--shrink',
      '0',
    ],
    {
      cwd: `${import.meta.dir}/..`,
      env: { ...process.env, FUZZ_MUTANT: String(index) },
      stdout: 'pipe',
      stderr: 'pipe',
    },
  )
  const [output, errors] = await Promise.all([fuzzer.stdout.text(), fuzzer.stderr.text(), fuzzer.exited])
  const kind = /and a fault: (.*)/.exec(output)?.[1] ?? (errors.includes('does not end') ? 'endless' : undefined)
  if (kind === undefined) unnoticed++
  const verdict = kind ?? (/stale/.exec(output + errors)?.[0] || /no fault/.exec(output)?.[0] || 'broken')
  console.log(
    `${kind ? 'noticed ' : 'MISSED  '} ${((performance.now() - start) / 1000).toFixed(0)} s ${verdict}: ${line}`,
  )
  if (verdict === 'broken') console.log(output, errors.slice(0, 500))
}
console.log(`${asked - unnoticed} of ${asked} mutants noticed`)
process.exit(unnoticed > 0 ? 1 : 0)
