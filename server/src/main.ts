import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { version } from '../package.json' with { type: 'json' }
import { inProcess } from './backplane/in-process.ts'
import { check } from './check.ts'
import { systemClock as clock } from './clock.ts'
import { type Config, type IdentityChoice, readConfig, type StoreChoice } from './config.ts'
import { descriptorLimit, watchDescriptors } from './descriptors.ts'
import { healthcheck } from './healthcheck.ts'
import { cognito } from './identity/cognito.ts'
import type { Identity } from './identity/identity.ts'
import { local } from './identity/local.ts'
import { oidc } from './identity/oidc.ts'
import { LineOutput } from './line-output.ts'
import { openLog, reasons, standardError } from './log.ts'
import { preflight } from './preflight.ts'
import { dynamodb } from './room-store/dynamodb.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { sqlite } from './room-store/sqlite.ts'
import { createServer } from './server.ts'
import { settings } from './settings.ts'
import { captureOutput } from './stray-output.ts'
import { reachable, welcome } from './welcome.ts'

/** What is not closed by then is cut off. Milliseconds; a stop as a whole must end within 5 s. */
const drainWithin = 3_500
/** The same for the adapters, and for what still waits to be written to the log. Milliseconds. */
const closeWithin = 1_000
const flushWithin = 250
/** The same for what a command is for, and for why the server does not start. It is said for a person, who waits for it. */
const sayWithin = 4_000

// The data folder holds the signing key and the tokens of rooms: for this user alone.
process.umask(0o077)
// Never process.stdout, process.stderr or the console: they block where the other end does not read.
const stdout = new LineOutput(1, clock, () => '')
const stderr = standardError(clock)
const { config, faults, warnings } = readConfig(process.env)
const [command, ...operands] = process.argv.slice(2)
if (command !== undefined) process.exit(await obey(command, operands))
const obstacles = [...faults, ...preflight(config, faults)]
if (obstacles.length > 0) await refuseToStart(obstacles.map(({ sentence }) => sentence))

let stopping = false
let exitCode = 0
const folder = resolve(config.dataDir)
const log = openLog(config.logLevel, stderr)
captureOutput(log)
for (const { variable, sentence } of warnings) log.warn({ setting: variable }, sentence)
process.on('uncaughtException', error => void fail(error))
process.on('unhandledRejection', error => void fail(error))
const { identity, store, server, httpPort, wsPort } = await start().catch(error => refuseToStart([error.message]))

process.on('SIGINT', signal => void stop({ signal }))
process.on('SIGTERM', signal => void stop({ signal }))
log.info({ host: config.host, httpPort, wsPort, folder, version }, 'listening')
stdout.write(welcome(config, httpPort, wsPort, folder))
void stdout.flush(flushWithin)
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

/** Ends the process in time, whatever hangs or fails meanwhile. */
async function stop(why: object): Promise<void> {
  // A terminal's Ctrl-C may reach this process twice: from the terminal, and from npm.
  if (stopping) return
  stopping = true
  log.info(why, 'stopping')
  if (!(await isDone(server.drain(), drainWithin))) log.warn({ drainWithin }, 'connections cut off')
  const closed = Promise.all([identity.close(), store.close()])
  if (!(await isDone(closed, closeWithin))) log.warn({ closeWithin }, 'services cut off')
  log.info({}, 'stopped')
  await log.flush(flushWithin)
  process.exit(exitCode)
}

/** Whether `act` has come to its end within so many milliseconds, be it a failure. */
const isDone = (act: Promise<unknown>, within: number): Promise<boolean> =>
  Promise.race([
    act.catch(error => log.error({ err: error }, 'unforeseen error')).then(() => true),
    new Promise<false>(resolve => clock.after(within, () => resolve(false))),
  ])

/** Nobody knows what an error that nothing has caught leaves behind: the server ends, for its supervisor to start it again. */
async function fail(error: unknown): Promise<void> {
  log.fatal({ err: error }, 'unforeseen error; the server ends')
  exitCode = 1
  // Before all of it has started, there is nothing to stop.
  await stop({ reason: 'unforeseen error' }).catch(() => log.flush(flushWithin).then(() => process.exit(exitCode)))
}

/** What is done instead of starting. @returns the exit code */
async function obey(command: string, operands: readonly string[]): Promise<number> {
  const [option, extra] = operands
  if (command === 'healthcheck' && option === undefined) return askTheServer()
  const isCheck = command === 'check' || command === '--check'
  if (isCheck && extra === undefined && (option === undefined || option === '--services'))
    return checkAll(option !== undefined)
  const words = [command, ...operands].map(word => JSON.stringify(word)).join(' ')
  await complainOf([
    `${words} is not a command. There is "healthcheck", which asks the running server whether it is alive, and "check", which says whether the server would start, or with "--services" whether what it needs answers, too; without a command the server starts.`,
  ])
  return 2
}

async function askTheServer(): Promise<number> {
  const { host, httpPort } = config
  const variable = settings.httpPort.variable
  const complaints = faults.map(({ sentence }) => sentence)
  if (httpPort === 0) complaints.push(`${variable} is 0, so that only the log of the server tells its port.`)
  if (complaints.length === 0) complaints.push(...(await healthcheck(`http://${reachable(host)}:${httpPort}`)))
  await complainOf(complaints)
  return complaints.length === 0 ? 0 : 1
}

async function checkAll(isAsking: boolean): Promise<number> {
  const services = isAsking ? await servicesOf(config) : undefined
  const { report, complaints, exitCode } = await check({ config, faults, warnings, version, services })
  stdout.write(report)
  await stdout.flush(sayWithin)
  await complainOf(complaints)
  return exitCode
}

/** What the server asks over the network, without what it keeps itself. */
async function servicesOf({ identity, store }: Config): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const services = new Map<string, () => Promise<unknown>>()
  // A folder that is not there: no user waits to be deleted, and nothing is written.
  const nowhere = join(tmpdir(), crypto.randomUUID())
  const quiet = openLog('silent', stderr)
  if (identity.kind === 'cognito')
    services.set('Cognito', async () => (await cognito({ ...identity, folder: nowhere }, clock, quiet)).keys())
  if (identity.kind === 'oidc') services.set(identity.issuer, async () => (await oidc(identity, clock)).ready())
  if (store.kind === 'dynamodb') services.set('DynamoDB', () => dynamodb(store, clock).ready())
  return services
}

async function refuseToStart(sentences: readonly string[]): Promise<never> {
  await complainOf(sentences)
  process.exit(1)
}

/** Tells the person who has started this. */
function complainOf(sentences: readonly string[]): Promise<void> {
  for (const sentence of sentences) stderr.write(`parley: ${sentence}\n`)
  return stderr.flush(sayWithin)
}
