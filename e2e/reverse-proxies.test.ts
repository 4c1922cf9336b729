import { expect } from 'bun:test'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { serverAddress } from '@parley/client'
import { Authority } from '../server/test/authority.ts'
import { createRoom, signIn } from './api.ts'
import { newFolder } from './cli-process.ts'
import { freePorts } from './free-ports.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { fromOtherAddress } from './other-address.ts'
import { root, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { startProgram } from './program.ts'
import { onPage, reverseProxies } from './reverse-proxy-process.ts'
import { quickReference } from './scenarios.ts'

const components = { openssl: runs('openssl', 'version'), 'node-datachannel': await hasDataChannel() }
/** Seconds between two pings, by the default of PARLEY_DEAD_AFTER_SECONDS: see server/src/gateway/heartbeat.ts. */
const pingsEvery = 45 / 4
/** Bytes of the biggest message. */
const mostBytes = 1_048_576

for (const proxy of reverseProxies) {
  needs({ ...components, [proxy.name]: runs(...proxy.version) })(
    `${proxy.name}, as the page has it, carries all that peers do, and says who they are`,
    async () => {
      const [port = 0, upstream = 0] = await freePorts(2)
      const folder = await newFolder()
      const [ca, cert, key, both] = ['ca', 'cert', 'key', 'both'].map(name => join(folder, `${name}.pem`)) as Four
      const authority = Authority.root()
      const issued = authority.issue(['DNS:localhost'])
      await writeFile(ca, authority.cert)
      await writeFile(cert, issued.cert)
      await writeFile(key, issued.key)
      await writeFile(both, `${issued.cert}${issued.key}`)
      const parley = await startParley({
        settings: {
          ...{ PARLEY_HTTP_PORT: String(upstream), PARLEY_WS_PORT: String(upstream) },
          ...{ PARLEY_TRUSTED_PROXIES: '127.0.0.1', PARLEY_SIGN_INS_PER_MINUTE: '8' },
        },
      })
      const { reload } = await proxy.start({ port, upstream, cert, key, both })
      const place = `localhost:${await fromOtherAddress(port, authority.cert)}`
      const [httpUrl, wsUrl] = [`http://${place}`, `ws://${place}`]

      // Its last steps delete by the client's address, which none but that of the peers may.
      await quickReference({ httpUrl, wsUrl })
      expect(parley.stderr.filter(line => JSON.parse(line).level >= 40)).toEqual([])
      expect((await fetch(`${httpUrl}/metrics`)).status).toBe(404)
      expect((await fetch(`${parley.httpUrl}/metrics`)).status).toBe(200)

      // The SDK, over TLS, knows the name and nothing else. It comes from the proxy's own address, which is nobody's.
      const idToken = await signIn(httpUrl)
      const room = await createRoom(httpUrl, idToken)
      const program = JSON.stringify({
        ...serverAddress(`https://localhost:${port}`),
        ...{ roomId: room.room_id, token: room.token, peerId: 'sdk' },
      })
      const bun = join(root, 'node_modules/.bin/bun')
      const sdk = startProgram({ cwd: root, env: { NODE_EXTRA_CA_CERTS: ca } }, bun, 'e2e/sdk-program.ts', program)
      expect(JSON.parse(await sdk.lines.next())).toMatchObject({ event: 'joined' })

      const register = (peerId: string) => PlainPeer.register({ wsUrl, peerId, idToken, room })
      const [ada, bob] = [await register('ada'), await register('bob')]
      const exchange = async (from: PlainPeer, to: PlainPeer, sdp: string) => {
        from.send({ type: 'offer', sender: from.id, target: to.id, sdp })
        expect((await to.messages.next()).sdp === sdp).toBe(true)
      }
      const frame = JSON.stringify({ type: 'offer', sender: 'ada', target: 'bob', sdp: '' }).length
      await exchange(ada, bob, 'x'.repeat(mostBytes - frame))

      await reload()
      if (proxy.keepsWebSockets) await exchange(bob, ada, 'after the reload')
      else await Promise.all([ada.closed, bob.closed])
      const [eve, zoe] = [await register('eve'), await register('zoe')]
      await exchange(eve, zoe, 'new ones')

      // Had what the request says been believed, each would be somebody else.
      const statuses: number[] = []
      // More than two minutes have room for: one may begin meanwhile.
      for (let visitor = 1; visitor <= 17; visitor++) {
        const forged = { 'X-Forwarded-For': `192.0.2.${visitor}`, Forwarded: `for=192.0.2.${visitor}` }
        statuses.push((await fetch(`${httpUrl}/anonymous-signin`, { method: 'POST', headers: forged })).status)
      }
      expect(statuses).toContain(429)
      expect(parley.stderr.filter(line => line.includes('contradict'))).toEqual([])

      // A quiet connection: the pings come well before the end of what the proxy waits for.
      for (const [, seconds] of proxy.silence ? onPage(proxy.language).matchAll(proxy.silence) : []) {
        expect(Number(seconds)).toBeGreaterThan(2 * pingsEvery)
      }
    },
  )
}

type Four = [string, string, string, string]
