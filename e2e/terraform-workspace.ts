import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { runs } from './needs.ts'
import { root } from './parley-process.ts'
import type { PlannedResource } from './terraform-rules.ts'

export interface Outcome {
  readonly code: number | null
  /** What it printed, errors included. */
  readonly output: string
}

/** A copy of terraform/, in which Terraform may leave behind what it likes. */
export interface Workspace {
  readonly folder: string
  /** Gets the provider and the modules of a folder ready. @throws Error with Terraform's complaint */
  init(module: string): Promise<void>
  /**
   * Starts the provider of a folder that is ready, once, to serve all runs from now on.
   */
  serveProvider(module: string): Promise<void>
  /** Runs Terraform in a folder, and resolves when it has ended, however that may be. */
  run(module: string, ...args: readonly string[]): Promise<Outcome>
  remove(): Promise<void>
}

/** The provider is taken from TF_PLUGIN_DIR, if that is set, else from the registry. */
const pluginDir = process.env.TF_PLUGIN_DIR

export async function openWorkspace(): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-terraform-'))
  const cache = join(folder, '.providers')
  const isOfTerraform = (path: string) => /\.terraform|\.tfstate|\.tfvars$/.test(path)
  await cp(join(root, 'terraform'), folder, { recursive: true, filter: path => !isOfTerraform(path) })
  await mkdir(cache)

  // Nobody's account: no profile and no credentials of yours. With certificates of its own, the provider can be configured
  // only once while it runs.
  const { AWS_PROFILE, AWS_SESSION_TOKEN, AWS_CA_BUNDLE, ...inherited } = process.env
  const env = {
    ...inherited,
    AWS_ACCESS_KEY_ID: 'nobody',
    AWS_SECRET_ACCESS_KEY: 'nobody',
    AWS_CONFIG_FILE: join(folder, 'no-config'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'no-credentials'),
    AWS_EC2_METADATA_DISABLED: 'true',
    CHECKPOINT_DISABLE: '1',
    // Terraform and its provider collect garbage for a third of their time otherwise. https://pkg.go.dev/runtime
    GOGC: '400',
    TF_PLUGIN_CACHE_DIR: cache,
  }

  let provider: Provider | undefined
  const run = async (module: string, ...args: readonly string[]): Promise<Outcome> => {
    const attached = provider && args[0] !== 'init' ? { TF_REATTACH_PROVIDERS: provider.reattach } : {}
    const options = { cwd: join(folder, module), env: { ...env, ...attached } }
    const child = spawn('terraform', [...args, '-no-color'], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, output: stdout + stderr }
  }

  return {
    folder,
    run,
    async init(module) {
      const from = pluginDir ? [`-plugin-dir=${pluginDir}`] : []
      const { code, output } = await run(module, 'init', '-backend=false', '-input=false', ...from)
      if (code !== 0) throw new Error(`terraform init in ${module} ended with code ${code}: ${output}`)
    },
    async serveProvider(module) {
      provider = await startProvider(join(folder, module), env)
    },
    async remove() {
      await provider?.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Provider {
  /** For the environment variable TF_REATTACH_PROVIDERS of Terraform. */
  readonly reattach: string
  stop(): Promise<void>
}

/**
 * Starts the provider of a folder in its debug mode, in which it serves Terraform until it is stopped. Otherwise Terraform
 * starts it several times for each run of a test, which takes two thirds of the time.
 * https://developer.hashicorp.com/terraform/plugin/debugging
 */
async function startProvider(folder: string, env: NodeJS.ProcessEnv): Promise<Provider> {
  const programs = new Bun.Glob('.terraform/providers/**/terraform-provider-aws_v*')
  const [program = ''] = await Array.fromAsync(programs.scan({ cwd: folder, dot: true, followSymlinks: true }))
  const child = spawn(join(folder, program), ['-debug'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = stopOf(child)
  // It is read to its end, as the provider goes on writing.
  const said = text(child.stderr)
  const served = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      const reattach = /TF_REATTACH_PROVIDERS='(.*)'/.exec(line)?.[1]
      if (reattach) resolve(reattach)
    })
    said.then(why => reject(new Error(`The provider of AWS ended before it served: ${why}`)))
  })
  return { reattach: await served, stop }
}

function stopOf(child: ChildProcess): () => Promise<void> {
  const closed = once(child, 'close')
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  return async () => {
    process.off('exit', kill)
    kill()
    await closed
  }
}

let parts: Promise<Readonly<Record<string, boolean>>> | undefined

/** Terraform and its provider for AWS, as `needs` takes them. They are looked for once. */
export function terraformParts(): Promise<Readonly<Record<string, boolean>>> {
  parts ??= findParts()
  return parts
}

async function findParts(): Promise<Readonly<Record<string, boolean>>> {
  const terraform = runs('terraform', 'version')
  return { terraform, "Terraform's provider for AWS": terraform && (await hasProvider()) }
}

/** Whether the provider can be had: it is large, and not everybody reaches its registry. */
async function hasProvider(): Promise<boolean> {
  const workspace = await openWorkspace()
  try {
    await workspace.init('modules/rooms-table')
    return true
  } catch {
    return false
  } finally {
    await workspace.remove()
  }
}

/**
 * The user data of each run of a test file of Terraform, from what `terraform test -json -verbose` prints. The lines are
 * long, as each has the provider's schema: nothing else is read of them.
 */
export function userDataOfRuns(printed: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of printed.split('\n')) {
    const run = /"@testrun":"(\w+)"/.exec(line)?.[1]
    const data = /"user_data_base64":"([^"]+)"/.exec(line)?.[1]
    if (run && data) found.set(run, gunzipSync(Buffer.from(data, 'base64')).toString())
  }
  return found
}

interface StateModule {
  readonly resources?: readonly (PlannedResource & { readonly mode: 'managed' | 'data' })[]
  readonly child_modules?: readonly StateModule[]
}

/** The resources and data sources of a module of a state, and of the modules in it. */
const resourcesIn = ({ resources = [], child_modules = [] }: StateModule): PlannedResource[] => [
  ...resources.map(({ mode, type, ...rest }) => ({ ...rest, type: mode === 'data' ? `data.${type}` : type })),
  ...child_modules.flatMap(resourcesIn),
]

/** All that each run of a test file of Terraform has made, from what `terraform test -json -verbose` prints. */
export function resourcesOfRuns(printed: string): Map<string, PlannedResource[]> {
  const found = new Map<string, PlannedResource[]>()
  for (const line of printed.split('\n').filter(text => text.includes('"type":"test_state"'))) {
    const message = JSON.parse(line) as { '@testrun': string; test_state: { root_module?: StateModule } }
    found.set(message['@testrun'], resourcesIn(message.test_state.root_module ?? {}))
  }
  return found
}

/** What Terraform complains about in what `terraform test -json` prints. */
export const complaintsIn = (printed: string): string =>
  printed
    .split('\n')
    .filter(line => !line.startsWith('{') || line.includes('"type":"diagnostic"'))
    .map(line => line.slice(0, 2_000))
    .join('\n')
