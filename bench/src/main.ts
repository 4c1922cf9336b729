import { parseArgs } from 'node:util'
import { type Kind, sizes } from './load/messages.ts'
import { barePairs, parleyPairs } from './load/peers.ts'
import { usualWindow, type Window } from './load/saturate.ts'
import { measureBroadcast } from './parts/broadcast.ts'
import { measureIdle } from './parts/idle.ts'
import { measureLatency } from './parts/latency.ts'
import { measureRelay } from './parts/relay.ts'
import { full, type Plan, quick } from './plan.ts'
import { cleanUp, startBareRelay, startParley, temporaryFolder } from './processes.ts'
import { checks, describe, type Results, verdict } from './report.ts'

const parts = ['relay', 'latency', 'broadcast', 'idle'] as const
const kinds = Object.keys(sizes) as Kind[]
/** Much under way; one write's worth; and one message, which shares its write with nothing but its sender's own. */
const windows: readonly Window[] = [usualWindow, { messages: 8, perWrite: 8 }, { messages: 1, perWrite: 1 }]
const usage = `usage: npm run bench -- [--quick] [--json] [--only ${parts.join(',')}]`

/** Minutes that all of it may take. */
const longest = 20

const options = readOptions()
if (process.platform !== 'linux') quit('The bench reads CPU time and memory from /proc, so it needs Linux.')
const say = (line: string) => console.error(`... ${line}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    cleanUp()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}
process.on('exit', cleanUp)

// A server that hangs must not make the bench hang.
setTimeout(() => quit(`not done within ${longest} minutes`), longest * 60_000).unref()

const results = await measure(options.quick ? quick : full)
const found = checks(results)
const failed = !options.quick && found.some(({ pass }) => !pass)
if (options.json) {
  const machine = { cpu: (await import('node:os')).cpus()[0]?.model, bun: Bun.version }
  console.log(JSON.stringify({ machine, enforced: !options.quick, checks: found, ...results }, undefined, 2))
} else {
  console.log(`${describe(results)}\n\n${verdict(found, !options.quick)}`)
}
process.exit(failed ? 1 : 0)

async function measure(plan: Plan): Promise<Results> {
  const results: Results = { relay: [], latency: [], broadcast: [], idle: [] }
  if (options.only.includes('relay') || options.only.includes('latency')) {
    const folder = temporaryFolder()
    const [parley, bare] = [await startParley(folder), await startBareRelay(folder)]
    const ofParley = { subject: parley, pairs: await parleyPairs(parley.ws, parley.http ?? '', plan.pairs) }
    const ofBare = { subject: bare, pairs: await barePairs(bare.ws, plan.pairs) }
    for (const kind of options.only.includes('relay') ? kinds : []) {
      for (const window of windows) {
        say(`relaying ${sizes[kind]} B, ${window.messages} under way`)
        results.relay.push(await measureRelay(kind, window, ofParley, ofBare, plan.relay))
      }
    }
    for (const kind of options.only.includes('latency') ? kinds : []) {
      say(`latency of ${sizes[kind]} B`)
      results.latency.push(await measureLatency(kind, ofParley, ofBare, plan.latency))
    }
    await Promise.all([parley.stop(), bare.stop()])
  }
  if (options.only.includes('broadcast')) results.broadcast = await measureBroadcast(plan.broadcast, say)
  for (const features of options.only.includes('idle') ? [[], ['resume']] : []) {
    results.idle.push(await measureIdle(plan.idle, features, say))
  }
  return results
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string', default: parts.join(',') },
      },
    })
    const only = values.only.split(',')
    const unknown = only.find(part => !(parts as readonly string[]).includes(part))
    if (unknown !== undefined) throw new Error(`--only knows ${parts.join(', ')}; not ${JSON.stringify(unknown)}.`)
    return { ...values, only }
  } catch (error) {
    return quit(`${(error as Error).message}\n${usage}`)
  }
}

function quit(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}
