import { join, resolve } from 'node:path'
import { version } from '../package.json' with { type: 'json' }
import { inProcess } from './backplane/in-process.ts'
import { systemClock as clock } from './clock.ts'
import { type IdentityChoice, readConfig, type StoreChoice } from './config.ts'
import { descriptorLimit, watchDescriptors } from './descriptors.ts'
import { healthcheck } from './healthcheck.ts'
import { cognito } from './identity/cognito.ts'
import type { Identity } from './identity/identity.ts'
import { local } from './identity/local.ts'
import { oidc } from './identity/oidc.ts'
import { openLog, reasons } from './log.ts'
import { preflight } from './preflight.ts'
import { dynamodb } from './room-store/dynamodb.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { sqlite } from './room-store/sqlite.ts'
import { createServer } from './server.ts'
import { settings } from './settings.ts'
import { reachable, welcome } from './welcome.ts'

/** What is not closed by then is cut off. Milliseconds; a stop as a whole must end within 5 s. */
const drainWithin = 3_500

// The data folder holds the signing key and the tokens of rooms: for this user alone.
process.umask(0o077)
const { config, faults } = readConfig(process.env)
const command = process.argv[2]
if (command !== undefined) process.exit(await obey(command))
const obstacles = [...faults, ...preflight(config, faults)]
if (obstacles.length > 0) refuseToStart(obstacles.map(({ sentence }) => sentence))

const folder = resolve(config.dataDir)
const log = openLog(config.logLevel)
const { identity, store, server, httpPort, wsPort } = await start().catch(error => refuseToStart([error.message]))

let stopping = false
process.on('SIGINT', () => void stop('SIGINT'))
process.on('SIGTERM', () => void stop('SIGTERM'))
log.info({ host: config.host, httpPort, wsPort, folder, version }, 'listening')
console.log(welcome(config, httpPort, wsPort, folder))
watchDescriptors(clock, shortage => server.spare(shortage))
const openFiles = descriptorLimit() ?? Number.POSITIVE_INFINITY
if (openFiles < config.unregistered)
  log.warn({ openFiles }, 'few open files are allowed (ulimit -n); 10,000 peers need 11,000')
void complain(identity)
void complain(store)

async function start() {
  const identity = await openIdentity(config.identity)
  const store = openStore(config.store)
  const server = createServer(config, { identity, store, backplane: inProcess(), clock, log, version })
  return { identity, store, server, httpPort: server.listenHttp(), wsPort: server.listenWebSocket() }
}

async function openIdentity(choice: IdentityChoice): Promise<Identity> {
  if (choice.kind === 'cognito') return cognito({ ...choice, folder }, clock, log)
  return choice.kind === 'oidc' ? oidc(choice, clock) : local({ ...choice, folder }, clock)
}

function openStore(choice: StoreChoice): RoomStore {
  return choice.kind === 'dynamodb' ? dynamodb(choice, clock) : sqlite(join(folder, 'rooms.sqlite'), clock)
}

/** The server starts while a service is away, and uses it once it is there; but who started it must hear of it. */
async function complain(needed: Pick<Identity | RoomStore, 'ready'>): Promise<void> {
  await needed.ready().catch(error => log.warn({ cause: reasons(error) }, 'service unavailable'))
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

/** What is done instead of starting. @returns the exit code */
async function obey(command: string): Promise<number> {
  if (command !== 'healthcheck') {
    console.error(
      `parley: ${JSON.stringify(command)} is not a command. There is "healthcheck", which asks the running server whether it is alive; without a command the server starts.`,
    )
    return 2
  }
  const { host, httpPort } = config
  const variable = settings.httpPort.variable
  const complaints = faults.map(({ sentence }) => sentence)
  if (httpPort === 0) complaints.push(`${variable} is 0, so that only the log of the server tells its port.`)
  if (complaints.length === 0) complaints.push(...(await healthcheck(`http://${reachable(host)}:${httpPort}`)))
  for (const complaint of complaints) console.error(`parley: ${complaint}`)
  return complaints.length === 0 ? 0 : 1
}

function refuseToStart(sentences: readonly string[]): never {
  for (const sentence of sentences) console.error(`parley: ${sentence}`)
  process.exit(1)
}
