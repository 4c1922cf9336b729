import { parseArgs } from 'node:util'
import { cleanUp } from '../processes.ts'
import { type Check, verdict } from '../report.ts'
import type { AttackName } from './attacks/index.ts'
import { type AbuseResult, measureAbuse } from './measure.ts'
import { abuseChecks, cells, describeAbuse } from './report.ts'
import { rows } from './rows.ts'

/** What one client that does its worst does to an undisturbed room: attack beside quiet, in one run. */

const names = Object.keys(rows) as AttackName[]
const usage = `usage: npm run bench:abuse -- [--quick] [--json] [--only NAME,...]

A name that ends with * stands for all that begin so.
${names.map(name => `  ${name.padEnd(24)}${rows[name].what}`).join('\n')}`

/** Minutes that one attack may take with all that it needs; then it counts as one that cannot be measured. */
const longest = 6

const options = readOptions()
if (process.platform !== 'linux') quit('The bench reads CPU time and memory from /proc, so it needs Linux.')
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    cleanUp()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}
process.on('exit', cleanUp)

const results: AbuseResult[] = []
const found: Check[] = []
for (const name of options.only) {
  console.error(`... ${name}: ${rows[name].what}`)
  // Those that wait for one of the processes are told that it has ended.
  const late = setTimeout(cleanUp, longest * 60_000)
  try {
    const result = await measureAbuse(name, options.quick)
    results.push(result)
    found.push(...abuseChecks(result))
    console.error(`... ${cells(result).join(' | ')}`)
  } catch (error) {
    found.push({ what: `${name}: the attack`, measured: `${error}`, required: 'can be measured', pass: false })
  }
  clearTimeout(late)
}

if (options.json) {
  const machine = { cpu: (await import('node:os')).cpus()[0]?.model, bun: Bun.version }
  console.log(JSON.stringify({ machine, enforced: !options.quick, checks: found, results }, undefined, 2))
} else {
  console.log(`${describeAbuse(results)}\n\n${verdict(found, !options.quick)}`)
}
process.exit(!options.quick && found.some(({ pass }) => !pass) ? 1 : 0)

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string', default: '*' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(usage)
      process.exit(0)
    }
    const only = new Set(values.only.split(',').flatMap(namesOf))
    return { ...values, only: names.filter(name => only.has(name)) }
  } catch (error) {
    return quit(`${(error as Error).message}\n${usage}`)
  }
}

/** @throws Error if there is no such attack */
function namesOf(wanted: string): AttackName[] {
  const found = names.filter(name => (wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted))
  if (found.length === 0) throw new Error(`There is no attack ${JSON.stringify(wanted)}.`)
  return found
}

function quit(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}
