import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { podman, podmanCommand } from './container.ts'
import { Inbox } from './inbox.ts'

/** As the compose files have it: nothing can be written but the data, and nothing of root is left. */
export const hardened = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=ALL', '--security-opt=no-new-privileges']

/**
 * What podman adds by itself and this machine may not allow: it raises limits, and has systemd ask for the health.
 * The network is that of the machine, so that ports are free ones.
 */
const common = ['--network=host', '--ulimit=nofile=4096:4096', '--ulimit=nproc=4096:4096', '--no-healthcheck']

export interface ContainerOptions {
  readonly image: string
  /** A volume for its data, that is kept; default: a new one that goes with it. */
  readonly volume?: string
  readonly settings?: Readonly<Record<string, string>>
}

/** A running container of the server. */
export interface Container {
  readonly httpUrl: string
  readonly wsUrl: string
  /** The process id of the server on this machine. */
  readonly pid: number
  /** Lines of standard error so far: the log. */
  readonly log: readonly string[]
  /** Runs a command inside. */
  exec(settings: Readonly<Record<string, string>>, ...command: readonly string[]): Promise<Outcome>
  /** Ends it as `docker stop` does, which kills what is not over after 10 s. */
  stop(): Promise<{ code: number | null; milliseconds: number }>
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a container on free ports and resolves when the server in it is ready. It ends with the test at the latest. */
export async function startContainer({ image, volume, settings = {} }: ContainerOptions): Promise<Container> {
  const env = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0', ...settings }
  const { name, child, lines, log, ended } = launch(image, env, volume ? ['--volume', `${volume}:/data`] : [])
  const urlAfter = async (label: string) => (await lines.find(line => line.includes(label))).split(/\s+/).at(-1) ?? ''
  const httpUrl = await urlAfter('HTTP API ')
  const wsUrl = await urlAfter('WebSocket ')
  await lines.find(line => line.includes('Ctrl-C'))
  return {
    httpUrl,
    wsUrl,
    log,
    pid: Number(await podman('inspect', '--format', '{{.State.Pid}}', name)),
    exec: (settings, ...command) => outcome('exec', ...environment(settings), name, ...command),
    async stop() {
      const start = performance.now()
      await podman('stop', '--time', '10', name)
      await ended
      return { code: child.exitCode, milliseconds: performance.now() - start }
    },
  }
}

/**
 * Starts a container with another program than the server, and resolves with the first line that it prints and that
 * `matches`. It ends with the test at the latest.
 */
export async function startProgram(
  image: string,
  settings: Readonly<Record<string, string>>,
  command: readonly string[],
  matches: RegExp,
): Promise<string> {
  return launch(image, settings, [], command).lines.find(line => matches.test(line))
}

/** Starts a container. It ends with the test at the latest. */
function launch(
  image: string,
  settings: Readonly<Record<string, string>>,
  options: readonly string[],
  command: readonly string[] = [],
) {
  const name = `parley-${randomUUID()}`
  const all = [...hardened, ...common, ...environment(settings), ...options]
  const [program, ...args] = [...podmanCommand, 'run', '--rm', '--name', name, ...all, image, ...command]
  const child = spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  const lines = new Inbox<string>()
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  createInterface({ input: child.stderr }).on('line', line => log.push(line))
  const ended = once(child, 'close')
  ended.then(() => lines.close(new Error([`The container ended with ${child.exitCode} and said:`, ...log].join('\n'))))
  onTestFinished(async () => {
    if (child.exitCode === null) await podman('rm', '--force', '--time', '0', name)
    await ended
  })
  return { name, child, lines, log, ended }
}

/** Runs a command in a new container of the image, in the place of the server, and resolves when it has ended. */
export const runInImage = (image: string, ...[program = '', ...args]: readonly string[]): Promise<Outcome> =>
  outcome('run', '--rm', ...hardened, ...common, '--entrypoint', program, image, ...args)

/** Runs the image's program in a new container with arguments, and resolves when it has ended. */
export const runImage = (
  image: string,
  settings: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Outcome> => outcome('run', '--rm', ...hardened, ...common, ...environment(settings), image, ...args)

const environment = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`])

async function outcome(...args: readonly string[]): Promise<Outcome> {
  const child = Bun.spawn([...podmanCommand, ...args], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}
