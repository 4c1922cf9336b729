/** What a person reads when the server has started: where it is, and three lines to try it with. */
export function welcome(host: string, httpPort: number, wsPort: number, folder: string): string {
  const http = `http://${reachable(host)}:${httpPort}`
  const ws = `ws://${reachable(host)}:${wsPort}`
  const peer = `const s = new WebSocket("${ws}"); s.onmessage = e => console.log(e.data); s.onopen = () => s.send(JSON.stringify({ type: "register", peer_id: "me", ...JSON.parse(process.env.ROOM), id_token: process.env.ID_TOKEN }))`
  return `
Parley is ready.

  HTTP API    ${http}
  WebSocket   ${ws}
  To read     ${http}/docs
  Data        ${folder}

Try it, in another terminal in this folder:

  export ID_TOKEN=$(curl -sX POST ${http}/anonymous-signin | sed 's/.*"id_token":"\\([^"]*\\)".*/\\1/')
  export ROOM=$(curl -sX POST ${http}/create-room -H "Authorization: Bearer $ID_TOKEN") && echo $ROOM
  npx bun -e '${peer}'

Ctrl-C stops it.
`
}

/** An address to connect to, where `host` is one to listen on; in brackets if it is IPv6 (RFC 3986 section 3.2.2). */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
