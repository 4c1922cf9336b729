import type { Config, IdentityChoice, StoreChoice } from './config.ts'

/** What a person reads when the server has started: where it is, what it uses, and three lines to try it with. */
export function welcome({ host, identity, store }: Config, httpPort: number, wsPort: number, folder: string): string {
  const http = `http://${reachable(host)}:${httpPort}`
  const ws = `ws://${reachable(host)}:${wsPort}`
  return `
Parley is ready.

  HTTP API    ${http}
  WebSocket   ${ws}
  To read     ${http}/docs
  Data        ${folder}
  Identities  ${describeIdentity(identity)}
  Rooms       ${describeStore(store)}
${identity.kind === 'oidc' ? '' : firstExchange(http, ws)}
Ctrl-C stops it.
`
}

function firstExchange(http: string, ws: string): string {
  const peer = `const s = new WebSocket("${ws}"); s.onmessage = e => console.log(e.data); s.onopen = () => s.send(JSON.stringify({ type: "register", peer_id: "me", ...JSON.parse(process.env.ROOM), id_token: process.env.ID_TOKEN }))`
  return `
Try it, in another terminal in this folder:

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
