import { networkInterfaces } from 'node:os'
import type { Config, IdentityChoice, StoreChoice } from './config.ts'
import { ownNames } from './own-names.ts'
import type { Certificate } from './tls/certificate.ts'
import { describeCertificate } from './tls/files.ts'

type Interfaces = ReturnType<typeof networkInterfaces>

/** The address ranges of RFC 3927 and RFC 4291 section 2.5.6, which reach no further than one cable. */
const isLinkLocal = (address: string) => /^(?:169\.254\.|fe[89ab])/i.test(address)

/**
 * What a person reads when the server has started: where it is, also for others, what it uses, and how to try it.
 * @param certificate what the server has TLS with
 * @param interfaces the addresses of this machine
 */
export function welcome(
  { host, identity, store }: Config,
  httpPort: number,
  wsPort: number,
  folder: string,
  certificate?: Certificate,
  interfaces: Interfaces = networkInterfaces(),
): string {
  const s = certificate ? 's' : ''
  const own = trustedName(host, certificate)
  const http = `http${s}://${own}:${httpPort}`
  const ws = `ws${s}://${own}:${wsPort}`
  // With TLS, clients trust no address that the certificate does not name.
  const others = addressesOf(host, interfaces)
    .filter(address => certificate?.names.includes(address) ?? true)
    .map(reachable)
  const elsewhere = others.map(
    (name, index) => `  ${(index === 0 ? 'For others' : '').padEnd(11)} http${s}://${name}:${httpPort}\n`,
  )
  return `
Parley is ready.

  HTTP API    ${http}
  WebSocket   ${ws}
${elsewhere.join('')}${certificate ? `  TLS         ${describeCertificate(certificate)}\n` : ''}  To read     ${http}/docs
  Data        ${folder}
  Identities  ${describeIdentity(identity)}
  Rooms       ${describeStore(store)}
${identity.kind === 'oidc' ? '' : firstSteps(http, ws, addressOptions(`http${s}://${others[0] ?? own}`, httpPort, wsPort))}
Ctrl-C stops it.
`
}

/** Under which name clients reach the server, and trust it if they trust the certificate. */
function trustedName(host: string, certificate: Certificate | undefined): string {
  const address = reachable(host)
  if (!certificate || certificate.names.includes(address.replace(/^\[|\]$/g, ''))) return address
  return certificate.names.find(name => /^[^*:]*[a-z][^*:]*$/i.test(name)) ?? address
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
function addressOptions(origin: string, httpPort: number, wsPort: number): string {
  const isLocal = origin === 'http://127.0.0.1' && httpPort === 8001
  const isFound = httpPort !== 8001 || wsPort === 8080
  const ws = origin.replace('http', 'ws')
  return `${isLocal ? '' : ` --server ${origin}:${httpPort}`}${isFound ? '' : ` --ws ${ws}:${wsPort}`}`
}

/** @param options with an address that the worker can pass on to who is to connect, perhaps from another machine */
function firstSteps(http: string, ws: string, options: string): string {
  const peer = `const s = new WebSocket("${ws}"); s.onmessage = e => console.log(e.data); s.onopen = () => s.send(JSON.stringify({ type: "register", peer_id: "me", ...JSON.parse(process.env.ROOM), id_token: process.env.ID_TOKEN }))`
  return `
Start a worker, in another terminal in this folder; it prints the command that connects to it:

  ${ownNames.cli} worker${options}

Or do it by hand:

  export ID_TOKEN=$(curl -sX POST ${http}/anonymous-signin | sed 's/.*"id_token":"\\([^"]*\\)".*/\\1/')
  export ROOM=$(curl -sX POST ${http}/create-room -H "Authorization: Bearer $ID_TOKEN") && echo $ROOM
  ${ownNames.bun} -e '${peer}'
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
