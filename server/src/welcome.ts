import { networkInterfaces } from 'node:os'
import type { Config, IdentityChoice, StoreChoice } from './config.ts'

type Interfaces = ReturnType<typeof networkInterfaces>

/** The address ranges of RFC 3927 and RFC 4291 section 2.5.6, which reach no further than one cable. */
const isLinkLocal = (address: string) => /^(?:169\.254\.|fe[89ab])/i.test(address)

/**
 * What a person reads when the server has started: where it is, also for others, what it uses, and how to try it.
 * @param interfaces the addresses of this machine
 */
export function welcome(
  { host, identity, store }: Config,
  httpPort: number,
  wsPort: number,
  folder: string,
  interfaces: Interfaces = networkInterfaces(),
): string {
  const http = `http://${reachable(host)}:${httpPort}`
  const ws = `ws://${reachable(host)}:${wsPort}`
  const others = addressesOf(host, interfaces).map(reachable)
  const elsewhere = others.map(
    (name, index) => `  ${(index === 0 ? 'For others' : '').padEnd(11)} http://${name}:${httpPort}\n`,
  )
  return `
Parley is ready.

  HTTP API    ${http}
  WebSocket   ${ws}
${elsewhere.join('')}  To read     ${http}/docs
  Data        ${folder}
  Identities  ${describeIdentity(identity)}
  Rooms       ${describeStore(store)}
${identity.kind === 'oidc' ? '' : firstSteps(http, ws, addressOptions(others[0] ?? reachable(host), httpPort, wsPort))}
Ctrl-C stops it.
`
}

/** Of this machine, where the server listens on all of them: those that other machines may reach, IPv4 first. */
function addressesOf(host: string, interfaces: Interfaces): string[] {
  if (host !== '0.0.0.0' && host !== '::') return []
  const all = Object.values(interfaces).flatMap(addresses => addresses ?? [])
  const usable = all.filter(({ internal, address }) => !internal && !isLinkLocal(address))
  const of = (family: string) => usable.filter(entry => entry.family === family).map(({ address }) => address)
  return [...of('IPv4'), ...(host === '::' ? of('IPv6') : [])]
}

/** What the CLI must be told: nothing of a server where it looks by itself, nor of a WebSocket where the SDK looks for it. */
function addressOptions(name: string, httpPort: number, wsPort: number): string {
  const isLocal = name === '127.0.0.1' && httpPort === 8001
  const isBeside = wsPort === (httpPort === 8001 ? 8080 : httpPort)
  return `${isLocal ? '' : ` --server http://${name}:${httpPort}`}${isBeside ? '' : ` --ws ws://${name}:${wsPort}`}`
}

/** From the registry the CLI has its scope: the package `parley` there is somebody else's. */
const cli = /[\\/]node_modules[\\/]/.test(import.meta.dir) ? '@parley/cli' : 'parley'

/** @param options with an address that the worker can pass on to who is to connect, perhaps from another machine */
function firstSteps(http: string, ws: string, options: string): string {
  const peer = `const s = new WebSocket("${ws}"); s.onmessage = e => console.log(e.data); s.onopen = () => s.send(JSON.stringify({ type: "register", peer_id: "me", ...JSON.parse(process.env.ROOM), id_token: process.env.ID_TOKEN }))`
  return `
Start a worker, in another terminal in this folder; it prints the command that connects to it:

  npx ${cli} worker${options}

Or do it by hand:

  export ID_TOKEN=$(curl -sX POST ${http}/anonymous-signin | sed 's/.*"id_token":"\\([^"]*\\)".*/\\1/')
  export ROOM=$(curl -sX POST ${http}/create-room -H "Authorization: Bearer $ID_TOKEN") && echo $ROOM
  npx bun -e '${peer}'
`
}

/** Who gives out identities, in a few words. */
export function describeIdentity(identity: IdentityChoice): string {
  if (identity.kind === 'cognito') return `Cognito user pool ${identity.userPoolId}`
  return identity.kind === 'oidc' ? `OpenID provider ${identity.issuer}` : 'given out by this server'
}

/** Where rooms are kept, in a few words. */
export const describeStore = (store: StoreChoice): string =>
  store.kind === 'dynamodb' ? `DynamoDB table ${store.table} in ${store.region}` : 'SQLite, in the data folder'

/** An address to connect to, where `host` is one to listen on; in brackets if it is IPv6 (RFC 3986 section 3.2.2). */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
