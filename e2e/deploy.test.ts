import { expect, onTestFinished, test } from 'bun:test'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needs, runs } from './needs.ts'
import { root } from './parley-process.ts'

const unit = join(root, 'deploy/systemd/parley.service')
const manifests = join(root, 'deploy/kubernetes')
const withSystemd = needs({ 'systemd-analyze': runs('systemd-analyze', '--version') })
const withKubectl = needs({ kubectl: runs('kubectl', 'version', '--client') })

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-deploy-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** Runs a program to its end. */
function run(cwd: string, ...command: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdin: 'ignore' })
  return { code: exitCode, stdout: String(stdout), stderr: String(stderr) }
}

/** The faults of settings as the server tells them, of which there should be none. */
async function faultsOf(settings: Readonly<Record<string, string>>): Promise<string> {
  const command = [process.execPath, join(root, 'server/src/main.ts'), 'check']
  const child = Bun.spawn(command, { cwd: await newFolder(), env: settings, stdout: 'ignore', stderr: 'pipe' })
  return new Response(child.stderr).text()
}

withSystemd('systemd understands every line of the unit, and finds it well confined', async () => {
  const folder = await newFolder()
  const text = await readFile(unit, 'utf8')
  // The program is not on this machine, and another service of the same name may be.
  const copy = join(folder, 'parley-of-a-test.service')
  await writeFile(copy, text.replace('/usr/local/bin/parley serve', `${process.execPath} serve`))
  expect(run(folder, 'systemd-analyze', 'verify', '--man=no', copy)).toEqual({ code: 0, stdout: '', stderr: '' })
  const { code, stdout } = run(folder, 'systemd-analyze', 'security', '--offline=yes', '--threshold=16', copy)
  expect([code, stdout]).toEqual([0, expect.stringContaining('Overall exposure level')])
})

test('the unit starts the server with settings that there are, in the folder that systemd makes', async () => {
  const text = await readFile(unit, 'utf8')
  expect(text).toMatch(/^ExecStart=\/usr\/local\/bin\/parley serve$/m)
  const settings = [...text.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value])
  expect(Object.fromEntries(settings)).toEqual({ PARLEY_DATA_DIR: '%S/parley' })
  expect(text).toMatch(/^StateDirectory=parley$/m)
  expect(await faultsOf({ PARLEY_DATA_DIR: await newFolder() })).toBe('')
})

/** One object of Kubernetes. */
type Manifest = Readonly<Record<string, unknown>> & { readonly apiVersion: string; readonly kind: string }

const parse = (yaml: string): Manifest[] => [Bun.YAML.parse(yaml) as Manifest | Manifest[]].flat()

/** Files of the manifests, without what tells kubectl of them. */
const files = (await readdir(manifests)).filter(name => name !== 'kustomization.yaml')

async function manifest(name: string): Promise<Manifest> {
  const [first, ...others] = parse(await readFile(join(manifests, name), 'utf8'))
  if (!first || others.length > 0) throw new Error(`${name} is to have one object.`)
  return first
}

/**
 * What the schema of Kubernetes has against them: its OpenAPI document as types, to which each must be assignable as a
 * literal, so that a member that there is not is a fault, too. Lines of the compiler; none if all is well.
 */
async function complaints(all: readonly Manifest[]): Promise<string> {
  const folder = await newFolder()
  await mkdir(join(folder, 'node_modules'))
  await symlink(join(root, 'node_modules/kubernetes-types'), join(folder, 'node_modules/kubernetes-types'))
  const literals = all.map(({ apiVersion, kind, ...rest }, index) => {
    // v1 is core/v1, networking.k8s.io/v1 is networking/v1.
    const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
    const module = `kubernetes-types/${group.replace(/\..*/, '')}/${version}`
    return `export const _${index}: import('${module}').${kind} = ${JSON.stringify({ apiVersion, kind, ...rest })}\n`
  })
  await writeFile(join(folder, 'manifests.ts'), literals.join(''))
  const options = ['--noEmit', '--strict', '--module', 'preserve', '--types', '', '--pretty', 'false']
  const { code, stdout, stderr } = run(folder, join(root, 'node_modules/.bin/tsc'), ...options, 'manifests.ts')
  if ((code !== 0) === (stdout === '')) throw new Error(`The compiler ended with ${code} and said: ${stderr}`)
  return stdout
}

test('every manifest is as the schema of Kubernetes has it, which knows strangers, wrong types, and what is missing', async () => {
  const all = await Promise.all(files.map(manifest))
  const deployment = JSON.stringify(await manifest('deployment.yaml'))
  const variant = (from: string, to: string): Manifest => {
    if (!deployment.includes(from)) throw new Error(`There is no ${from}.`)
    return JSON.parse(deployment.replace(from, to))
  }
  const wrong = [
    variant('"periodSeconds":10', '"periodsSeconds":10'),
    variant('"replicas":1', '"replicas":"1"'),
    variant(',"containerPort":8001', ''),
  ]
  const said = (await complaints([...wrong, ...all])).split('\n').filter(line => line.startsWith('manifests.ts'))
  expect(said).toEqual([
    expect.stringMatching(/^manifests.ts\(1,.*periodsSeconds"?' does not exist in type 'Probe'/),
    expect.stringMatching(/^manifests.ts\(2,.*Type 'string' is not assignable to type 'number'/),
    expect.stringMatching(/^manifests.ts\(3,.*'containerPort' is missing/),
  ])
})

test('the manifests fit together, and to the image', async () => {
  const { data } = (await manifest('configmap.yaml')) as unknown as { data: Record<string, string> }
  expect(await faultsOf({ ...data, PARLEY_DATA_DIR: await newFolder() })).toBe('')
  const dockerfile = await readFile(join(root, 'docker/Dockerfile'), 'utf8')
  const deployment = await manifest('deployment.yaml')
  const [user] = /^USER (\d+):\1$/m.exec(dockerfile)?.slice(1) ?? []
  const labels = { 'app.kubernetes.io/name': 'parley' }
  expect(deployment).toMatchObject({
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          enableServiceLinks: false,
          securityContext: { runAsUser: Number(user), fsGroup: Number(user), runAsNonRoot: true },
          containers: [
            {
              envFrom: [{ configMapRef: { name: 'parley' } }, { secretRef: { name: 'parley', optional: true } }],
              ports: [{ name: 'http', containerPort: Number(data.PARLEY_HTTP_PORT) }],
              volumeMounts: [{ name: 'data', mountPath: /^VOLUME (.+)$/m.exec(dockerfile)?.[1] }],
            },
          ],
          volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'parley' } }],
        },
      },
    },
  })
  expect(data.PARLEY_WS_PORT).toBe(data.PARLEY_HTTP_PORT ?? '')
  expect(await manifest('service.yaml')).toMatchObject({
    metadata: { name: 'parley' },
    spec: { selector: labels, ports: [{ name: 'http', targetPort: 'http' }] },
  })
})

withKubectl('kubectl renders them, with the image that you name', async () => {
  const folder = await newFolder()
  for (const name of await readdir(manifests)) await copyFile(join(manifests, name), join(folder, name))
  const kustomization = join(folder, 'kustomization.yaml')
  const text = await readFile(kustomization, 'utf8')
  // With the example, as its first lines say.
  await writeFile(kustomization, text.replace('resources:\n', 'resources:\n  - ingress.example.yaml\n'))
  const { code, stdout, stderr } = run(folder, 'kubectl', 'kustomize', '.')
  expect([code, stderr]).toEqual([0, ''])
  const rendered = parse(stdout)
  expect(rendered.map(({ kind }) => kind).sort()).toEqual(
    (await Promise.all(files.map(manifest))).map(({ kind }) => kind).sort(),
  )
  expect(await complaints(rendered)).toBe('')
  const deployment = rendered.find(({ kind }) => kind === 'Deployment')
  expect(JSON.stringify(deployment)).toContain('"image":"registry.example.com/parley:0.1.0"')
})
