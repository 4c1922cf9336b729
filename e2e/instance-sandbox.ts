import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

/** A folder that stands for an instance's disk, in which the scripts of the user data run. */
export interface Sandbox {
  /** What the instance has at an absolute path. */
  at(path: string): string
  /** A file of the instance, and its mode, such as `600`. */
  read(path: string): Promise<{ text: string; mode: string }>
  /** The paths of all files below a folder of the instance. */
  list(folder: string): Promise<string[]>
  /**
   * Makes `command` one that is recorded, not done; `body` is what it does instead, in Bash, where $STATE is a folder
   * for what it wants to remember.
   */
  stub(command: string, body?: string): Promise<void>
  /** Runs a script with these stubs and a few harmless commands of this machine, and nothing else. */
  run(script: string, ...args: readonly string[]): Promise<SandboxRun>
  remove(): Promise<void>
}

export interface SandboxRun {
  readonly code: number | null
  readonly output: string
  /** What the stubs were called with, in their order. */
  readonly calls: readonly string[]
}

/** What the scripts do themselves; everything else on the instance is the system's. */
const harmless = ['bash', 'awk', 'cat', 'chmod', 'date', 'env', 'install', 'mktemp', 'mv', 'rm', 'tee', 'wc']
const folders = ['/etc/systemd/system', '/usr/local/sbin', '/var/log', '/run', '/proc']

export async function openSandbox(): Promise<Sandbox> {
  const root = await mkdtemp(join(tmpdir(), 'parley-instance-'))
  const at = (path: string) => join(root, path)
  const [bin, state, calls] = ['/bin', '/state', '/calls'].map(at) as [string, string, string]
  for (const folder of [...folders, '/bin', '/state']) await mkdir(at(folder), { recursive: true })
  for (const command of harmless) {
    const path = Bun.which(command)
    if (!path) throw new Error(`not on this machine: ${command}`)
    await symlink(path, join(bin, command))
  }

  /** Absolute paths lead into the sandbox. */
  const moved = (script: string) =>
    script.replaceAll(/(?<![\w.])\/(etc\/|usr\/local\/|var\/|run\/|proc\/uptime)/g, `${root}/$1`)

  return {
    at,
    async read(path) {
      const { mode } = await stat(at(path))
      return { text: (await readFile(at(path), 'utf8')).replaceAll(root, ''), mode: (mode & 0o777).toString(8) }
    },
    async list(folder) {
      const entries = await readdir(at(folder), { recursive: true, withFileTypes: true })
      return entries
        .filter(entry => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
        .sort()
    },
    async stub(command, body = '') {
      const path = join(bin, command)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, `#!${Bun.which('bash')}\necho "${command} $*" >>${calls}\nSTATE=${state}\n${body}\n`)
      await chmod(path, 0o755)
    },
    async run(script, ...args) {
      await writeFile(calls, '')
      const file = at('/script')
      await writeFile(file, moved(script))
      const child = spawn(join(bin, 'bash'), [file, ...args], { env: { PATH: bin }, stdio: ['ignore', 'pipe', 'pipe'] })
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      const called = (await readFile(calls, 'utf8')).replaceAll(root, '').split('\n').slice(0, -1)
      return { code: child.exitCode, output: stdout + stderr, calls: called }
    },
    remove: () => rm(root, { recursive: true, force: true }),
  }
}
