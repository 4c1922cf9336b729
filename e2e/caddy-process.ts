import { onTestFinished } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Inbox } from './inbox.ts'
import { root } from './parley-process.ts'

/** A running Caddy with docker/Caddyfile. */
export interface Caddy {
  /** What its own authority signs with; it exists as soon as there is a certificate. */
  readonly authority: string
}

/**
 * Starts Caddy with docker/Caddyfile on this machine, and resolves when it serves, with a certificate if
 * that is asked for. It ends with the test at the latest.
 * @param variables what the Caddyfile takes from the environment
 * @throws Error with its log, if it ends before that
 */
export async function startCaddy(variables: Readonly<Record<string, string>>): Promise<Caddy> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-caddy-'))
  const env = { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, ...variables }
  const adapt = spawnSync('caddy', ['adapt', '--config', join(root, 'docker/Caddyfile')], { env, encoding: 'utf8' })
  if (adapt.status !== 0) throw new Error(`Caddy does not take the Caddyfile:\n${adapt.stderr}`)
  const config = JSON.parse(adapt.stdout)
  // This machine is not to trust its authority, and its port for orders may be taken.
  config.apps.pki = { certificate_authorities: { local: { install_trust: false } } }
  config.admin = { disabled: true }
  config.logging = { logs: { default: { level: 'DEBUG' } } }
  const file = join(folder, 'caddy.json')
  await writeFile(file, JSON.stringify(config))

  const server = spawn('caddy', ['run', '--config', file], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const log: string[] = []
  const lines = new Inbox<string>()
  createInterface({ input: server.stderr }).on('line', line => {
    log.push(line)
    lines.push(line)
  })
  const ended = once(server, 'close')
  ended.then(() => lines.close(new Error(['Caddy has ended and said:', ...log].join('\n'))))
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const awaited = new Set(['serving initial configuration'])
  if (!variables.PARLEY_DOMAIN?.startsWith('http://')) awaited.add('added certificate to cache')
  while (awaited.size > 0) {
    const line = await lines.next()
    for (const words of awaited) if (line.includes(words)) awaited.delete(words)
  }
  return { authority: join(folder, 'caddy/pki/authorities/local/root.crt') }
}
