import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { newFolder } from './cli-process.ts'
import { freePorts } from './free-ports.ts'
import { Inbox } from './inbox.ts'
import { root } from './parley-process.ts'

const page = readFileSync(join(root, 'docs/reverse-proxies.md'), 'utf8')

/** The configuration on the page in a block of this language. */
export function onPage(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page) ?? []
  if (text === undefined) throw new Error(`The page has no configuration for ${language}.`)
  return text
}

/** What a test has elsewhere than an operator has it. */
export interface Place {
  /** Of the proxy. */
  readonly port: number
  /** Of Parley. */
  readonly upstream: number
  /** PEM files: the certificate, its key, and both in one. */
  readonly cert: string
  readonly key: string
  readonly both: string
}

/** A running reverse proxy. */
export interface ReverseProxy {
  /** Has it read its configuration again, and resolves when new connections go to the new one. */
  reload(): Promise<void>
}

export interface ReverseProxyKind {
  readonly name: string
  /** What shows that it is there. */
  readonly version: readonly string[]
  /** Language of its configuration on the page. */
  readonly language: string
  /** Settings on the page for how long a WebSocket may be silent. */
  readonly silence: RegExp | undefined
  /** Whether a reload leaves open WebSockets alone. */
  readonly keepsWebSockets: boolean
  /** Starts it with the configuration of the page at this place; it ends with the test at the latest. */
  start(place: Place): Promise<ReverseProxy>
}

/** `text` with each of these, which must be in it, replaced. */
function adapted(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((whole, [from, to]) => {
    if (!whole.includes(from)) throw new Error(`The configuration has no “${from}”.`)
    return whole.replaceAll(from, to)
  }, text)
}

interface Running {
  readonly signal: (name: NodeJS.Signals) => void
  /** Resolves with the next line that it says with this in it. */
  readonly says: (text: string) => Promise<unknown>
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): Running {
  // In a group of its own, as its workers may outlive it.
  const child = spawn(command, args, {
    ...{ env: { ...process.env, ...env }, detached: true },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines = new Inbox<string>()
  const log: string[] = []
  createInterface({ input: child.stderr }).on('line', line => {
    log.push(line)
    lines.push(line)
  })
  const ended = once(child, 'close')
  ended.then(() => lines.close(new Error([`${command} has ended and said:`, ...log].join('\n'))))
  onTestFinished(async () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    await ended
  })
  return { signal: name => void child.kill(name), says: text => lines.find(line => line.includes(text)) }
}

const upstream = '127.0.0.1:8001'

const nginx: ReverseProxyKind = {
  ...{ name: 'nginx', version: ['nginx', '-v'], language: 'nginx', keepsWebSockets: true },
  silence: /proxy_(?:read|send)_timeout (\d+)s/g,
  async start({ port, upstream: own, cert, key }) {
    const folder = await newFolder()
    const certificate = '/etc/letsencrypt/live/parley.example.com'
    const site = adapted(onPage('nginx'), {
      ...{ [`${certificate}/fullchain.pem`]: cert, [`${certificate}/privkey.pem`]: key },
      ...{
        'listen 443': `listen 127.0.0.1:${port}`,
        'parley.example.com': 'localhost',
        [upstream]: `127.0.0.1:${own}`,
      },
    })
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    // As Debian's nginx.conf includes what is in conf.d.
    const main = [
      ...[
        'daemon off;',
        `pid ${folder}/pid;`,
        'error_log stderr notice;',
        'user root;',
        'worker_processes 1;',
        'events {}',
      ],
      ...['http {', 'access_log off;', ...paths.map(name => `${name}_temp_path ${folder}/${name};`)],
      ...[`include ${folder}/parley.conf;`, '}'],
    ]
    await writeFile(join(folder, 'parley.conf'), site)
    await writeFile(join(folder, 'nginx.conf'), main.join('\n'))
    const { signal, says } = run('nginx', ['-c', join(folder, 'nginx.conf')])
    await says('start worker process ')
    return {
      async reload() {
        signal('SIGHUP')
        await says('start worker process ')
        await says('gracefully shutting down')
      },
    }
  },
}

const caddy: ReverseProxyKind = {
  ...{ name: 'Caddy', version: ['caddy', 'version'], language: 'caddyfile', keepsWebSockets: false },
  silence: undefined,
  async start({ port, upstream: own, cert, key }) {
    const folder = await newFolder()
    const [admin] = await freePorts(1)
    const site = adapted(onPage('caddyfile'), {
      'parley.example.com {': `https://localhost:${port} {\n\ttls ${cert} ${key}`,
      [upstream]: `127.0.0.1:${own}`,
    })
    const file = join(folder, 'Caddyfile')
    await writeFile(file, `{\n\tadmin 127.0.0.1:${admin}\n\tauto_https off\n}\n${site}`)
    const how = ['--config', file, '--adapter', 'caddyfile']
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    const { says } = run('caddy', ['run', ...how], env)
    await says('serving initial configuration')
    return {
      async reload() {
        const reload = spawn('caddy', ['reload', ...how, '--address', `127.0.0.1:${admin}`, '--force'], {
          ...{ env: { ...process.env, ...env }, stdio: 'ignore' },
        })
        const [code] = await once(reload, 'close')
        if (code !== 0) throw new Error(`caddy reload ended with ${code}.`)
      },
    }
  },
}

const haproxy: ReverseProxyKind = {
  ...{ name: 'HAProxy', version: ['haproxy', '-v'], language: 'haproxy', keepsWebSockets: true },
  silence: /timeout tunnel +(\d+)s/g,
  async start({ port, upstream: own, both }) {
    const folder = await newFolder()
    const file = join(folder, 'haproxy.cfg')
    const changes = { ':443': `127.0.0.1:${port}`, '/etc/haproxy/parley.pem': both, [upstream]: `127.0.0.1:${own}` }
    await writeFile(file, adapted(onPage('haproxy'), changes))
    const { signal, says } = run('haproxy', ['-W', '-db', '-f', file])
    await says('Loading success')
    return {
      async reload() {
        signal('SIGUSR2')
        await says('Loading success')
      },
    }
  },
}

export const reverseProxies: readonly ReverseProxyKind[] = [nginx, caddy, haproxy]
