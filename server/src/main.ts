import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isatty } from 'node:tty'
import { version } from '../package.json' with { type: 'json' }
import { check } from './check.ts'
import { systemClock as clock } from './clock.ts'
import { alone } from './cluster/alone.ts'
import { redis as redisCluster } from './cluster/redis.ts'
import { type Command, helpText, readCommandLine } from './command-line/command-line.ts'
import { givenSettings } from './command-line/given-settings.ts'
import { settingsInForce, settingsInForceJson } from './command-line/in-force.ts'
import type { Config, IdentityChoice } from './config.ts'
import { descriptorLimit, watchDescriptors } from './descriptors.ts'
import { healthcheck } from './healthcheck.ts'
import type { Identity } from './identity/identity.ts'
import { keyList } from './identity/local/key-list.ts'
import { local } from './identity/local.ts'
import { oidc } from './identity/oidc.ts'
import { LineOutput } from './line-output.ts'
import { openLog, reasons, standardError } from './log.ts'
import { joinNodes, keyPrefix, type NodesParts } from './nodes/nodes.ts'
import { restoredRooms } from './nodes/restored-rooms.ts'
import { expectSuitable } from './nodes/suitable-redis.ts'
import { ownNames } from './own-names.ts'
import { preflight } from './preflight.ts'
import { logRender } from './pretty-log.ts'
import { openRedis, type Redis } from './redis/redis.ts'
import { redis as redisRooms } from './room-store/redis.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { sqlite } from './room-store/sqlite.ts'
import { createServer } from './server.ts'
import { settings } from './settings.ts'
import { captureOutput } from './stray-output.ts'
import { asksForTls, readCertificate } from './tls/files.ts'
import { renewCertificate } from './tls/renewal.ts'
import { reachable, welcome } from './welcome.ts'

/** For so long a start waits for Redis. Milliseconds. */
const connectWithin = 3_000
/** What is not closed by then is cut off. Milliseconds; a stop as a whole, without the time to drain, must end within 5 s. */
const endWithin = 3_500
/** Milliseconds in which a second signal is the first one, passed on: by npm, or by a terminal to all that run in it. */
const sameSignal = 1_000
/** The same for the adapters, and for what still waits to be written to the log. Milliseconds. */
const closeWithin = 1_000
const flushWithin = 250
/** The same for what a command is for, and for why the server does not start. It is said for a person, who waits for it. */
const sayWithin = 4_000

// The data folder holds the signing key and the tokens of rooms: for this user alone.
process.umask(0o077)
// Never process.stdout, process.stderr or the console: they block where the other end does not read.
const stdout = new LineOutput(1, clock, () => '')
const command = readCommandLine(process.argv.slice(2))
const given = givenSettings(process.env, 'config' in command ? command.config : undefined)
const { config, faults, warnings } = given
const render = logRender(config.logFormat, process.env)
const stderr = standardError(clock, render)
if (command.kind === 'help') await end(0, helpText(version, ownNames.usage))
if (command.kind === 'version') await end(0, `${version}\n`)
if (command.kind === 'fault') await end(2, '', [command.sentence])
if (command.kind !== 'start') await obey(command)
const tls = asksForTls(config) ? await readCertificate(config, clock.now()) : undefined
const obstacles = [...faults, ...preflight(config, faults), ...(tls?.faults ?? [])]
if (obstacles.length > 0) await refuseToStart(obstacles.map(({ sentence }) => sentence))

/** When it was first told to stop. */
let stoppingSince: number | undefined
const hurry = new AbortController()
let exitCode = 0
const folder = resolve(config.dataDir)
const log = openLog(config.logLevel, stderr, render)
captureOutput(log)
for (const { variable, sentence } of [...warnings, ...(tls?.warnings ?? [])]) log.warn({ setting: variable }, sentence)
process.on('uncaughtException', error => void fail(error))
process.on('unhandledRejection', error => void fail(error))
const { identity, store, nodes, server, httpPort, wsPort } = await start().catch(error =>
  refuseToStart([error.message]),
)

process.on('SIGINT', signal => void stop({ signal }))
process.on('SIGTERM', signal => void stop({ signal }))
log.info({ host: config.host, httpPort, wsPort, folder, version }, 'listening')
stdout.write(welcome(config, httpPort, wsPort, folder, tls?.certificate))
void stdout.flush(flushWithin)
watchDescriptors(clock, shortage => server.spare(shortage))
const openFiles = descriptorLimit() ?? Number.POSITIVE_INFINITY
if (openFiles < config.unregistered)
  log.warn({ openFiles }, 'few open files are allowed (ulimit -n); 10,000 peers need 11,000')
watchCertificate()
void complain(identity)
void complain(store)

async function start() {
  const redis = config.redisUrl ? openRedis(config.redisUrl, clock) : undefined
  // Without it the server starts, too.
  if (redis && (await isDone(new Promise<void>(resolve => redis.onConnected(resolve)), connectWithin)))
    await expectSuitable(redis, log)
  const identity = await openIdentity(config.identity, redis)
  const { store: choice } = config
  const restored =
    redis && choice.kind === 'redis' ? restoredRooms(redisRooms(redis, clock), redis, clock, log) : undefined
  const shared = choice.kind === 'dynamodb' ? (await loadDynamodb())(choice, clock) : restored
  const store = shared ?? sqlite(join(folder, 'rooms.sqlite'), clock)
  const nodes = redis && joinNodes({ ...{ config, redis, clock, log, version }, cluster: clusterIn(redis) })
  const server = createServer(config, {
    ...{ identity, store, clock, log, version, link: nodes?.link, cluster: nodes?.cluster ?? alone() },
    certificate: tls?.certificate,
  })
  nodes?.serve(server)
  restored?.keep(server.openRooms)
  return { identity, store, nodes, server, httpPort: server.listenHttp(), wsPort: server.listenWebSocket() }
}

async function openIdentity(choice: IdentityChoice, redis: Redis | undefined): Promise<Identity> {
  if (choice.kind === 'cognito') return (await loadCognito())({ ...choice, folder }, clock, log)
  if (choice.kind === 'oidc') return oidc(choice, clock)
  if (!redis) return local({ ...choice, folder }, clock)
  const identity = await local({ ...choice, keys: keyList(redis, clock) }, clock)
  const restore = () =>
    identity.restore().catch(error => log.warn({ cause: reasons(error) }, 'signing keys not shared'))
  redis.onConnected(() => void restore())
  return identity
}

function clusterIn(redis: Redis): NodesParts['cluster'] {
  const onFault = (error: unknown) => log.error({ err: error }, 'unforeseen error')
  return (self, others) => redisCluster({ ...{ self, redis, clock, onFault, prefix: keyPrefix }, ...others })
}

// More than a quarter of a start is loading the SDK of AWS, which an embedded server does not need.
async function loadCognito() {
  return (await import('./identity/cognito.ts')).cognito
}

async function loadDynamodb() {
  return (await import('./room-store/dynamodb.ts')).dynamodb
}

/** Takes a new certificate when its files change, also at `SIGHUP`, by which operators say that they have. */
function watchCertificate(): void {
  if (!tls?.certificate) return
  const look = renewCertificate(
    { ...tls, certificate: tls.certificate },
    { clock, log, read: () => readCertificate(config, clock.now()), take: next => server.useCertificate(next) },
  )
  // From a terminal that is closed, it still means the end.
  if (!isatty(2)) process.on('SIGHUP', () => void look())
}

/** The server starts while a service is away, and uses it once it is there; but who started it must hear of it. */
async function complain(needed: Pick<Identity | RoomStore, 'ready'>): Promise<void> {
  await needed.ready().catch(error => log.warn({ cause: reasons(error) }, 'service unavailable'))
}

/** Ends the process in time, whatever hangs or fails meanwhile. Told again after a while, it does not wait for peers any more. */
async function stop(why: object): Promise<void> {
  if (stoppingSince !== undefined) {
    if (clock.uptime() - stoppingSince > sameSignal) hurry.abort()
    return
  }
  stoppingSince = clock.uptime()
  log.info(why, 'stopping')
  const within = (config.drainNotice + config.drainWithin) * 1000 + endWithin
  if (!(await isDone(server.drain(hurry.signal), within))) log.warn({ within }, 'connections cut off')
  const closed = Promise.all([identity.close(), store.close()]).then(() => nodes?.close())
  if (!(await isDone(closed, closeWithin))) log.warn({ closeWithin }, 'services cut off')
  log.info({}, 'stopped')
  await log.flush(flushWithin)
  process.exit(exitCode)
}

/** Whether `act` has come to its end within so many milliseconds, be it a failure. */
function isDone(act: Promise<unknown>, within: number): Promise<boolean> {
  return Promise.race([
    act.catch(error => log.error({ err: error }, 'unforeseen error')).then(() => true),
    new Promise<false>(resolve => clock.after(within, () => resolve(false))),
  ])
}

/** Nobody knows what an error that nothing has caught leaves behind: the server ends, for its supervisor to start it again. */
async function fail(error: unknown): Promise<void> {
  log.fatal({ err: error }, 'unforeseen error; the server ends')
  exitCode = 1
  hurry.abort()
  // Before all of it has started, there is nothing to stop.
  await stop({ reason: 'unforeseen error' }).catch(() => log.flush(flushWithin).then(() => process.exit(exitCode)))
}

/** What is done instead of starting. */
async function obey(command: Command): Promise<never> {
  if (command.kind === 'healthcheck') return askTheServer()
  if (command.kind === 'config') return tellSettings(command.json)
  const services = command.kind === 'check' && command.services ? await servicesOf(config) : undefined
  const { report, complaints, exitCode } = await check({
    ...{ config, faults, warnings, version, services },
    tls: asksForTls(config) ? await readCertificate(config, clock.now()) : undefined,
  })
  return end(exitCode, report, complaints)
}

async function askTheServer(): Promise<never> {
  const { host, httpPort } = config
  const variable = settings.httpPort.variable
  const scheme = asksForTls(config) ? 'https' : 'http'
  const complaints = faults.map(({ sentence }) => sentence)
  if (httpPort === 0) complaints.push(`${variable} is 0, so that only the log of the server tells its port.`)
  if (complaints.length === 0) complaints.push(...(await healthcheck(`${scheme}://${reachable(host)}:${httpPort}`)))
  return end(complaints.length === 0 ? 0 : 1, '', complaints)
}

function tellSettings(asJson: boolean): Promise<never> {
  const told = warnings.map(({ sentence }) => `warning: ${sentence}`)
  const wrong = faults.map(({ sentence }) => sentence)
  return end(wrong.length === 0 ? 0 : 1, asJson ? settingsInForceJson(given) : settingsInForce(given), [
    ...told,
    ...wrong,
  ])
}

/** What the server asks over the network, without what it keeps itself. */
async function servicesOf({ identity, store }: Config): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const services = new Map<string, () => Promise<unknown>>()
  // A folder that is not there: no user waits to be deleted, and nothing is written.
  const nowhere = join(tmpdir(), crypto.randomUUID())
  const quiet = openLog('silent', stderr)
  if (identity.kind === 'cognito')
    services.set('Cognito', async () =>
      (await (await loadCognito())({ ...identity, folder: nowhere }, clock, quiet)).keys(),
    )
  if (identity.kind === 'oidc') services.set(identity.issuer, async () => (await oidc(identity, clock)).ready())
  if (store.kind === 'dynamodb') services.set('DynamoDB', async () => (await loadDynamodb())(store, clock).ready())
  return services
}

function refuseToStart(sentences: readonly string[]): Promise<never> {
  return end(1, '', sentences)
}

/** Ends the process, once the person who has started it is told. */
async function end(exitCode: number, output: string, complaints: readonly string[] = []): Promise<never> {
  if (output !== '') stdout.write(output)
  await stdout.flush(sayWithin)
  for (const sentence of complaints) stderr.write(`parley: ${sentence}\n`)
  await stderr.flush(sayWithin)
  process.exit(exitCode)
}
