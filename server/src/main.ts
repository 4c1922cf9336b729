import { join, resolve } from 'node:path'
import { version } from '../package.json' with { type: 'json' }
import { inProcess } from './backplane/in-process.ts'
import { systemClock as clock } from './clock.ts'
import { readConfig } from './config.ts'
import { local } from './identity/local.ts'
import { openLog } from './log.ts'
import { preflight } from './preflight.ts'
import { sqlite } from './room-store/sqlite.ts'
import { createServer } from './server.ts'
import { welcome } from './welcome.ts'

/** What is not closed by then is cut off. Milliseconds; a stop as a whole must end within 5 s. */
const drainWithin = 3_500

// The data folder holds the signing key and the tokens of rooms: for this user alone.
process.umask(0o077)
const { config, faults } = readConfig(process.env)
const obstacles = [...faults, ...preflight(config, faults)]
if (obstacles.length > 0) refuseToStart(obstacles.map(({ sentence }) => sentence))

const folder = resolve(config.dataDir)
const log = openLog(config.logLevel)
const { identity, store, server, httpPort, wsPort } = await start().catch(error => refuseToStart([error.message]))

let stopping = false
process.on('SIGINT', () => void stop('SIGINT'))
process.on('SIGTERM', () => void stop('SIGTERM'))
log.info({ host: config.host, httpPort, wsPort, folder, version }, 'listening')
console.log(welcome(config.host, httpPort, wsPort, folder))

async function start() {
  const identity = await local({ folder, lifetime: config.idTokenTtl, refreshLifetime: config.refreshTokenTtl }, clock)
  const store = sqlite(join(folder, 'rooms.sqlite'), clock)
  const server = createServer(config, { identity, store, backplane: inProcess(), clock, log, version })
  return { identity, store, server, httpPort: server.listenHttp(), wsPort: server.listenWebSocket() }
}

async function stop(signal: string): Promise<void> {
  // A terminal's Ctrl-C may reach this process twice: from the terminal, and from npm.
  if (stopping) return
  stopping = true
  log.info({ signal }, 'stopping')
  const inTime = await Promise.race([
    server.drain().then(() => true),
    new Promise<false>(resolve => clock.after(drainWithin, () => resolve(false))),
  ])
  if (!inTime) log.warn({ drainWithin }, 'connections cut off')
  await Promise.all([identity.close(), store.close()])
  log.info({}, 'stopped')
  log.flush()
  process.exit(0)
}

function refuseToStart(sentences: readonly string[]): never {
  for (const sentence of sentences) console.error(`parley: ${sentence}`)
  process.exit(1)
}
