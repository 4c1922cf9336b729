import { setMaxListeners } from 'node:events'
import { explain, told, traceOf } from './failure.ts'
import { Interruption } from './interruption.ts'
import { output } from './output.ts'
import { run } from './run.ts'
import { printable } from './terminal.ts'

// Many files listen to one signal; Node would take that for a leak and say so.
setMaxListeners(0)
const { argv, env, stdin, stdout, stderr } = process
const args = argv.slice(2)
const out = output({ isJson: args.includes('--json'), stdout, stderr, env })
const interruption = new Interruption()
interruption.listen(process, code => process.exit(code))
// Nobody reads any more, as behind `head`.
for (const stream of [stdout, stderr]) stream.on('error', () => interruption.interrupt('SIGPIPE'))
process.on('uncaughtException', error => void end(fail(error)))

await end(await run(args, { out, interruption, env, stdin }).catch(fail))

/** Tells what has gone wrong, unless it is that the user has ended it. */
function fail(error: unknown): number {
  if (env.PARLEY_DEBUG) stderr.write(`${traceOf(error)}\n`)
  if (interruption.exitCode !== undefined) return interruption.exitCode
  const explanation = explain(error)
  const { code, sentence, advice = null, exitCode } = explanation
  out.news(
    { event: 'error', code, message: sentence, advice },
    ({ red }) => `${red('parley:')} ${printable(told(explanation))}`,
  )
  return exitCode
}

/** WebRTC has threads that would keep the process alive, so it is ended; when all was written. */
async function end(code: number): Promise<never> {
  const exitCode = interruption.exitCode ?? code
  if (out.isJson) stdout.write(`${JSON.stringify({ event: 'end', exit_code: exitCode })}\n`)
  for (const stream of [stdout, stderr]) await new Promise<void>(resolve => stream.write('', () => resolve()))
  process.exit(exitCode)
}
