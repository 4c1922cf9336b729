import { expect, onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { signIn } from './api.ts'
import { startCaddy } from './caddy-process.ts'
import { dockerFile, readCompose, serviceOf } from './compose.ts'
import { hasIpv6, mappedPeers, startCoturnWith } from './coturn-configuration.ts'
import { freePorts } from './free-ports.ts'
import { needs, runs } from './needs.ts'
import { fromOtherAddress } from './other-address.ts'
import { startParley } from './parley-process.ts'
import { quickReference } from './scenarios.ts'

const withCaddy = needs({ caddy: runs('caddy', 'version') })
const coturn = {
  coturn: runs('turnserver', '--version'),
  'turnutils_uclient of coturn': Bun.which('turnutils_uclient') !== null,
}
const withCoturn = needs(coturn)
const withIpv6 = needs({ ...coturn, 'IPv6 on loopback': hasIpv6 })

withCaddy('behind the Caddyfile one port serves HTTP and WebSockets, and nobody can say who else he is', async () => {
  const settings = { PARLEY_TRUSTED_PROXIES: '127.0.0.1', PARLEY_SIGN_INS_PER_MINUTE: '6' }
  const parley = await startParley({ settings })
  const [port] = await freePorts(1)
  const domain = `127.0.0.1:${port}`
  await startCaddy({ ...upstreams(parley), PARLEY_DOMAIN: `http://${domain}` })
  // Not from Caddy's own address, which would tell nobody from another.
  const authority = `127.0.0.1:${await fromOtherAddress(Number(port))}`
  const httpUrl = `http://${authority}`
  await quickReference({ httpUrl, wsUrl: `ws://${authority}` })

  expect((await fetch(`${httpUrl}/health`)).status).toBe(200)
  expect((await fetch(`${httpUrl}/metrics`)).status).toBe(404)
  expect((await fetch(`${parley.httpUrl}/metrics`)).status).toBe(200)

  // RFC 6455, section 4.2.1: the case of the word does not matter.
  for (const word of ['websocket', 'WebSocket', 'WEBSOCKET']) {
    expect([word, await statusOfUpgrade(Number(port), word)]).toEqual([word, 101])
  }
  expect(await statusOfUpgrade(Number(port), 'websocket2')).toBe(404)

  // Had what the request says been believed, each would be somebody else.
  const statuses: number[] = []
  for (let visitor = 1; visitor <= 6; visitor++) {
    const headers = { 'X-Forwarded-For': `192.0.2.${visitor}` }
    statuses.push((await fetch(`${httpUrl}/anonymous-signin`, { method: 'POST', headers })).status)
  }
  expect(statuses).toContain(429)
})

withCaddy('with a name the Caddyfile serves HTTPS and WSS, and sends HTTP there', async () => {
  const parley = await startParley({ settings: { PARLEY_TRUSTED_PROXIES: '127.0.0.1' } })
  const [http, https] = await freePorts(2)
  const ports = { PARLEY_CADDY_HTTP_PORT: String(http), PARLEY_CADDY_HTTPS_PORT: String(https) }
  const { authority } = await startCaddy({ ...upstreams(parley), ...ports, PARLEY_DOMAIN: 'localhost' })
  const tls = { ca: await readFile(authority, 'utf8') }

  const url = `https://localhost:${https}`
  expect((await fetch(`${url}/livez`, { tls })).status).toBe(200)
  const plain = await fetch(`http://localhost:${http}/livez`, { redirect: 'manual' })
  expect([plain.status, plain.headers.get('location')]).toEqual([308, 'https://localhost/livez'])

  const idToken = await signIn(parley.httpUrl)
  // Bun's own, with options where a browser's has subprotocols.
  const options = { tls } as unknown as string[]
  const socket = new WebSocket(`wss://localhost:${https}`, options)
  onTestFinished(() => socket.close())
  const answered = once(socket, 'message')
  await once(socket, 'open')
  const room = { room_id: 'none', token: 'none' }
  socket.send(JSON.stringify({ type: 'register', peer_id: 'me', ...room, id_token: idToken }))
  const [{ data }] = await answered
  expect(JSON.parse(String(data))).toMatchObject({ type: 'error', reason: 'Room not found' })
})

withCoturn('coturn relays for credentials of the secret, but not into networks behind the machine', async () => {
  const coturn = await startCoturnWith(coturnConfig(dockerFile('turnserver.conf')))
  for (const peer of ['10.1.2.3', '169.254.169.254', '192.168.1.1', '127.0.0.1'])
    expect([peer, await coturn.relaysTo(peer, 'shared')]).toEqual([peer, 'forbidden'])
})

withIpv6('coturn finds the networks behind the machine in addresses of IPv6, too', async () => {
  const coturn = await startCoturnWith(coturnConfig(dockerFile('turnserver.conf')))
  for (const peer of ['::1', ...mappedPeers])
    expect([peer, await coturn.relaysTo(peer, 'shared')]).toEqual([peer, 'forbidden'])
  // It would relay to another, if this machine reached one.
  expect(await coturn.relaysTo('2001:db8::1', 'shared')).toBe('relayed')
})

withCoturn('coturn takes no other address for one of those', async () => {
  // Loopback stands for the Internet here.
  const loopback = dockerFile('turnserver.conf').replace(/^denied-peer-ip=127.*$/m, 'allow-loopback-peers')
  const coturn = await startCoturnWith(coturnConfig(loopback))
  expect(await coturn.relaysTo('127.0.0.1', 'shared')).toBe('relayed')
  expect(await coturn.relaysTo('127.0.0.1', 'of somebody else')).toBe('unknown')
})

/** What a request to `/` with this word in its header Upgrade is answered with. */
async function statusOfUpgrade(port: number, upgrade: string): Promise<number | undefined> {
  const key = { 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  const request = get({ host: '127.0.0.1', port, headers: { Connection: 'Upgrade', Upgrade: upgrade, ...key } })
  const upgraded = once(request, 'upgrade')
  const [response] = (await Promise.race([upgraded, once(request, 'response')])) as [IncomingMessage]
  request.destroy()
  return response.statusCode
}

/** The configuration file, with what the command in the compose file adds. */
function coturnConfig(file: string): string {
  const variables = { PARLEY_DOMAIN: 'parley.example', PARLEY_PUBLIC_IP: '127.0.0.1', PARLEY_TURN_SECRET: 'shared' }
  const { command = [] } = serviceOf(readCompose('compose.tls.yaml', variables), 'coturn')
  const added = command.filter(word => word.startsWith('--')).map(word => word.slice(2))
  return [file, ...added, 'listening-ip=', 'relay-ip='].join('\n')
}

const upstreams = ({ httpUrl, wsUrl }: { httpUrl: string; wsUrl: string }) => ({
  PARLEY_CADDY_HTTP_UPSTREAM: new URL(httpUrl).host,
  PARLEY_CADDY_WS_UPSTREAM: new URL(wsUrl).host,
})
