import { version } from '../package.json' with { type: 'json' }
import { readArguments } from './arguments.ts'
import type { Command, Context } from './command.ts'
import { completion } from './commands/completion.ts'
import { connect } from './commands/connect.ts'
import { demo } from './commands/demo.ts'
import { doctor } from './commands/doctor.ts'
import { peers } from './commands/peers.ts'
import { rooms } from './commands/rooms.ts'
import { worker } from './commands/worker.ts'
import { isExecutable, type Listed, serverCommands } from './executable.ts'
import { exitCodes, UsageError } from './failure.ts'
import { overview, page } from './help.ts'
import { nearest } from './nearest.ts'
import { hasColours, painter } from './terminal.ts'

export const commands: readonly Command[] = [...[worker, connect, rooms, peers, doctor, demo], completion(() => listed)]

/** The same, and in the executable those of the server. */
const listed: readonly Listed[] = isExecutable ? [...serverCommands, ...commands] : commands

/** Does what the words behind `parley` say. Resolves with the exit code. @throws UsageError, Failure, ParleyError */
export async function run(args: readonly string[], context: Context): Promise<number> {
  const [word, ...rest] = args
  const help = () => ({
    paint: painter(hasColours(process.stdout, context.env)),
    columns: process.stdout.columns ?? 80,
  })
  if (word === undefined || word === '--help' || word === '-h' || (word === 'help' && rest.length === 0)) {
    process.stdout.write(`${overview(listed, help(), isExecutable)}\n`)
    return exitCodes.ok
  }
  if (word === '--version' || word === '-V' || word === '-v') {
    process.stdout.write(`${version}\n`)
    return exitCodes.ok
  }
  const command = theCommand(word === 'help' ? rest[0] : word)
  // Help is given whatever else stands there.
  const end = rest.indexOf('--')
  if (word === 'help' || rest.slice(0, end < 0 ? undefined : end).some(each => each === '--help' || each === '-h')) {
    process.stdout.write(`${page(command, help())}\n`)
    return exitCodes.ok
  }
  const { values, operands } = readArguments(rest, command.options, command.name, command.isOperand)
  return command.run(values, operands, context)
}

function theCommand(word = ''): Command {
  const command = commands.find(({ name }) => name === word)
  if (command) return command
  if (word.startsWith('-')) throw new UsageError(`A command comes first, before ${word}.`)
  const near = nearest(word, [...listed.map(({ name }) => name), 'help'])
  throw new UsageError(`There is no command “${word}”${near === undefined ? '.' : `; is “${near}” meant?`}`)
}
