/** What the executable begins with: whether its first word is for the server or for the CLI. */
import { basename } from 'node:path'
import { serverCommands } from '../../cli/src/executable.ts'

const [word = '', topic] = process.argv.slice(2)
const isOfServer = (name = '') => serverCommands.some(command => command.name === name)

// The name and the options of the executable that had the server alone.
const isServerAlone = basename(process.argv0) === 'parley-server' || /^--(config|check)\b/.test(word)
if (isServerAlone) await import('../../server/src/main.ts')
else if (word === 'help' && isOfServer(topic)) {
  process.argv.splice(3)
  await import('../../server/src/main.ts')
} else if (isOfServer(word)) {
  if (word === 'serve') process.argv.splice(2, 1)
  await import('../../server/src/main.ts')
} else await import('../../cli/src/main.ts')
