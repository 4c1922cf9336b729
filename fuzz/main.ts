import { parseArgs } from 'node:util'
import { report, runTarget } from './run.ts'
import { targets } from './targets.ts'

const usage = `npm run fuzz -- [--seconds N] [--inputs N] [--seed S] [--only ${targets.map(({ name }) => name).join()}] [--at CASE]

  --seconds N   how long each target is fuzzed (60)
  --inputs N    ends a target after so many inputs
  --seed S      makes the same inputs as an earlier run (a new seed)
  --only LIST   targets, separated by commas (all)
  --shrink N    seconds that may be spent on making an input smaller that fails (15)
  --at CASE     begins with this case of the seed`

const options = {
  seconds: { type: 'string', default: '60' },
  inputs: { type: 'string', default: 'Infinity' },
  seed: { type: 'string', default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
  only: { type: 'string', default: targets.map(({ name }) => name).join() },
  at: { type: 'string', default: '0' },
  shrink: { type: 'string', default: '15' },
} as const

function readArguments() {
  const { values } = parseArgs({ options })
  const numbers = [values.seconds, values.inputs, values.seed, values.at, values.shrink].map(Number)
  const [seconds = 0, inputs = 0, seed = 0, first = 0, shrinkFor = 0] = numbers
  if (numbers.some(number => Number.isNaN(number) || number < 0)) throw new Error('Numbers must not be negative.')
  const names = values.only.split(',')
  const unknown = names.find(name => !targets.some(target => target.name === name))
  if (unknown !== undefined) throw new Error(`There is no target "${unknown}".`)
  return { seconds, inputs, seed, first, shrinkFor, chosen: targets.filter(({ name }) => names.includes(name)) }
}

try {
  const { chosen, ...bounds } = readArguments()
  console.log(`seed ${bounds.seed}`)
  for (const target of chosen) {
    const outcome = await runTarget(target, bounds)
    console.log(report(target, bounds.seed, outcome))
    if (outcome.finding) process.exitCode = 1
  }
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  process.exitCode = 2
}
process.exit()
