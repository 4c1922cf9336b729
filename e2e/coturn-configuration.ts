import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePorts } from './free-ports.ts'

const host = '127.0.0.1'
const host6 = '::1'

/** Whether coturn can relay over IPv6 on this machine, which peers with IPv6 addresses need. */
export const hasIpv6 = Object.values(networkInterfaces()).some(known => known?.some(({ address }) => address === host6))

/**
 * Addresses behind an instance in the form of IPv6, in which coturn before 4.9 does not find them among the denied IPv4
 * ones (CVE-2026-27624).
 */
export const mappedPeers = ['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::ffff:127.0.0.1', '::ffff:10.0.0.5']

/** A coturn that runs with somebody's configuration, on loopback. */
export interface ConfiguredCoturn {
  /**
   * Whether it relays to a peer: `forbidden` by its configuration, or `unknown` is who asks with this secret.
   * @param user whose password the secret is; without one, credentials are made of it
   */
  relaysTo(peer: string, secret: string, user?: string): Promise<'relayed' | 'forbidden' | 'unknown'>
}

/**
 * Starts coturn with a configuration, of which the addresses and the port are replaced. It ends with the test.
 * @throws Error with its log, if it ends before it listens or complains about a line
 */
export async function startCoturnWith(configuration: string): Promise<ConfiguredCoturn> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-coturn-'))
  const [port = 0] = await freePorts(1)
  const file = join(folder, 'turnserver.conf')
  const here: Readonly<Record<string, string>> = {
    'listening-port': String(port),
    'listening-ip': host,
    'relay-ip': host,
    pidfile: join(folder, 'pid'),
    userdb: join(folder, 'database'),
  }
  const moved = configuration.replaceAll(/^([a-z-]+)=.*$/gm, (line, name) =>
    name in here ? `${name}=${here[name]}` : line,
  )
  // Its client takes no IPv6 relay under an external IPv4 address.
  const internal = moved.replaceAll(/^external-ip=.*$/gm, '')
  // It tells when it listens only if it is told to tell everything.
  const added = hasIpv6 ? ['verbose', `relay-ip=${host6}`] : ['verbose']
  await writeFile(file, [internal, ...added, ''].join('\n'))
  const server = spawn('turnserver', ['-c', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'close')
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', line => {
      log += `${line}\n`
      if (/bad configuration|unrecognized|unknown argument/i.test(line)) reject(new Error(line))
      // The listeners of TCP come first, and its client asks over UDP.
      if (/UDP listener opened on ?: /.test(line) && line.endsWith(`${host}:${port}`)) resolve()
    })
    ended.then(() => reject(new Error(`coturn ended with code ${server.exitCode} and said:\n${log}`)))
  })

  return {
    async relaysTo(peer, secret, user) {
      const family = peer.includes(':') ? ['-x'] : []
      const credentials = user ? ['-u', user, '-w', secret] : ['-u', 'peer', '-W', secret]
      const args = ['-v', '-c', ...family, '-n', '1', '-p', String(port), ...credentials, '-e', peer, host]
      const client = spawn('turnutils_uclient', args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let said = ''
      for await (const line of createInterface({ input: client.stdout })) {
        said += `${line}\n`
        if (/channel bind: error 403/.test(line)) return 'forbidden'
        if (/Cannot complete Allocation/.test(line)) return 'unknown'
        // The channel to the peer is bound; what would be sent to it is nobody's business here.
        if (/success: 0x/.test(line)) {
          client.kill('SIGKILL')
          return 'relayed'
        }
      }
      throw new Error(`coturn's client ended and said:\n${said}`)
    },
  }
}
