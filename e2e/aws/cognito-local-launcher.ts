import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Command } from './cognito-local.ts'

/*
 * The program of the process in which cognito-local runs, for the region in its argument. cognito-local does what AWS
 * does, but leaves out some of what AWS refuses, and what time does. Where Parley depends on that, it is put right
 * here, each time with the document of AWS that says so.
 */

/** Those parts of cognito-local that are used or put right. */
interface Internals {
  createDefaultServer(log: object): Promise<{ application(request: IncomingMessage, response: ServerResponse): void }>
  DateClock: { prototype: { get(): Date } }
  StormDBDataStoreFactory: { prototype: { create(...parts: unknown[]): Promise<{ db: { save(): Promise<void> } }> } }
  CognitoServiceImpl: { prototype: { createUserPool(context: object, pool: { Id: string }): Promise<object> } }
  UserPoolServiceImpl: { prototype: { getUserByRefreshToken(context: object, token: string): Promise<object | null> } }
  Targets: Record<string, (services: Services) => (context: object, request: AuthRequest) => Promise<object>>
  InvalidParameterError: new (message: string) => Error
  jsonwebtoken: { sign(payload: object, key: string, options: { keyid?: string }): string }
  privateKey: { pem: string }
  publicKey: { jwk: { kid: string } }
}
interface Services {
  readonly cognito: { getAppClient(context: object, id: string): Promise<{ ExplicitAuthFlows?: string[] } | null> }
}
interface AuthRequest {
  readonly ClientId: string
  readonly AuthFlow: string
}

const [region] = process.argv.slice(2)
const internals = load()
/** Milliseconds by which the time of the provider is ahead. */
let ahead = 0
internals.DateClock.prototype.get = () => new Date(Date.now() + ahead)

keepNothing()
const pools = namePools()
const keys = takeTurnsWithKeys()
endRefreshTokens()
refuseFlowsThatAreOff()
await serve()

function load(): Internals {
  const require = createRequire(import.meta.url)
  const inside = (path: string) => require(`cognito-local/lib/${path}`)
  return {
    ...inside('server/index.js'),
    ...inside('services/clock.js'),
    ...inside('services/dataStore/stormDb.js'),
    ...inside('services/cognitoService.js'),
    ...inside('services/userPoolService.js'),
    ...inside('targets/targets.js'),
    ...inside('errors.js'),
    jsonwebtoken: createRequire(require.resolve('cognito-local'))('jsonwebtoken'),
    privateKey: inside('keys/cognitoLocal.private.json'),
    publicKey: inside('keys/cognitoLocal.public.json'),
  }
}

/** It would write all users anew after each change of one. What is in memory is enough. */
function keepNothing(): void {
  const { prototype } = internals.StormDBDataStoreFactory
  const { create } = prototype
  prototype.create = async function (...parts) {
    const store = await create.apply(this, parts)
    store.db.save = async () => {}
    return store
  }
}

/** The ids of pools begin with their region, not with `local` (API reference of Cognito, UserPoolType). */
function namePools(): ReadonlySet<string> {
  const names = new Set<string>()
  const { prototype } = internals.CognitoServiceImpl
  const { createUserPool } = prototype
  prototype.createUserPool = function (context, pool) {
    const Id = pool.Id.replace(/^local_/, `${region}_`)
    names.add(Id)
    return createUserPool.call(this, context, { ...pool, Id })
  }
  return names
}

/** A pool may change its keys at any time (Amazon Cognito developer guide, "Verifying JSON web tokens"). */
function takeTurnsWithKeys() {
  const { jsonwebtoken, privateKey, publicKey } = internals
  let signing = { pem: privateKey.pem, kid: publicKey.jwk.kid }
  const published: object[] = [publicKey.jwk]
  const { sign } = jsonwebtoken
  jsonwebtoken.sign = (payload, _, options) =>
    sign(payload, signing.pem, { ...options, ...(options.keyid && { keyid: signing.kid }) })
  return {
    published,
    change(): void {
      const kid = randomUUID()
      const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
      published.unshift({ ...pair.publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' })
      signing = { pem: String(pair.privateKey.export({ format: 'pem', type: 'pkcs8' })), kid }
    },
  }
}

/** A refresh token ends after the client's RefreshTokenValidity (API reference, CreateUserPoolClient). */
function endRefreshTokens(): void {
  const { prototype } = internals.UserPoolServiceImpl
  const { getUserByRefreshToken } = prototype
  prototype.getUserByRefreshToken = async function (context, token) {
    const user = await getUserByRefreshToken.call(this, context, token)
    // Known, so it is one that was given out here.
    const { exp } = user ? JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) : { exp: 0 }
    return exp * 1000 > Date.now() + ahead ? user : null
  }
}

/** A client takes the flows that its ExplicitAuthFlows name, and no others (API reference, CreateUserPoolClient). */
function refuseFlowsThatAreOff(): void {
  const { Targets, InvalidParameterError } = internals
  const { InitiateAuth } = Targets
  if (!InitiateAuth) throw new Error('This version of cognito-local has no InitiateAuth.')
  Targets.InitiateAuth = services => {
    const initiate = InitiateAuth(services)
    return async (context, request) => {
      const client = await services.cognito.getAppClient(context, request.ClientId)
      if (client && !client.ExplicitAuthFlows?.includes(`ALLOW_${request.AuthFlow}`)) {
        throw new InvalidParameterError(`${request.AuthFlow} flow not enabled for this client`)
      }
      return initiate(context, request)
    }
  }
}

async function serve(): Promise<void> {
  const log = { child: () => log, debug() {}, info() {}, warn() {}, error() {} }
  const { application } = await internals.createDefaultServer(log)
  const server = createServer((request, response) => {
    const [, poolId] = /^\/([^/]+)\/\.well-known\/jwks\.json$/.exec(request.url ?? '') ?? []
    if (poolId === undefined) return application(request, response)
    // It would have the same keys for any name; AWS has none for a pool that is not there.
    const isKnown = pools.has(poolId)
    response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify(isKnown ? { keys: keys.published } : { message: `User pool ${poolId} does not exist.` }),
    )
  })
  // Ends with whoever started it, also when that is killed.
  process.on('disconnect', () => process.exit())
  process.on('message', (command: Command) => {
    if (command.act === 'advance') ahead += command.milliseconds
    else keys.change()
    process.send?.({ done: true })
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}
