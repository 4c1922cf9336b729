import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { type Compose, dockerFile, readCompose, type Service } from './compose.ts'
import { root } from './parley-process.ts'

const tls = { PARLEY_DOMAIN: 'parley.example', PARLEY_PUBLIC_IP: '192.0.2.1', PARLEY_TURN_SECRET: 'secret' }
const files: readonly (readonly [name: string, compose: Compose])[] = [
  ['compose.yaml', readCompose('compose.yaml')],
  ['compose.tls.yaml', readCompose('compose.tls.yaml', tls)],
  ['compose.aws-emulated.yaml', readCompose('compose.aws-emulated.yaml')],
]
const services = files.flatMap(([file, compose]) =>
  Object.entries(compose.services).map(([name, service]): [string, Service] => [`${name} of ${file}`, service]),
)

// The linter has the schema of the specification, and opinions of its own, which are not asked for.
const schema = JSON.parse(readFileSync(join(root, 'node_modules/dclint/schemas/compose.schema.json'), 'utf8'))
const conforms = new Ajv({ strict: false, validateFormats: false, validateSchema: false }).compile(schema)

test.each(files)('%s is what the Compose Specification says', (_, compose) => {
  expect([conforms(compose), conforms.errors]).toEqual([true, null])
})

test.each(services)('%s has a root that cannot be written, and no rights that it does not need', (name, service) => {
  expect(service).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    pids_limit: 256,
  })
  expect(service.privileged).toBeUndefined()
  expect(service.cap_add ?? []).toEqual(/^(caddy|coturn) /.test(name) ? ['NET_BIND_SERVICE'] : [])
})

test.each(services)('%s is started again and asked after, unless it is to end', (name, service) => {
  const isServer = service.image === 'parley'
  const ends = name.startsWith('table ')
  expect(service.restart).toBe(ends ? undefined : 'unless-stopped')
  // The image of the server brings its own.
  expect(service.healthcheck?.test[0]).toBe(ends || isServer ? undefined : 'CMD')
})

test.each(services)('%s is built and fed from what is there', (_, { build, volumes = [] }) => {
  if (build) expect(existsSync(join(root, 'docker', build.context, build.dockerfile))).toBe(true)
  for (const volume of volumes) {
    const [source = ''] = volume.split(':')
    if (source.startsWith('.')) expect([source, existsSync(join(root, 'docker', source))]).toEqual([source, true])
  }
})

test('compose.tls.yaml says what it lacks, and tls.env.example has all that it asks for', () => {
  expect(() => readCompose('compose.tls.yaml')).toThrow('PARLEY_')
  const asked = [...dockerFile('compose.tls.yaml').matchAll(/\$\{(\w+)/g)].map(([, variable]) => String(variable))
  const offered = [...dockerFile('tls.env.example').matchAll(/^#?(\w+)=/gm)].map(([, variable]) => String(variable))
  expect(offered.sort()).toEqual([...new Set(asked)].sort())
})

test('with TLS, nothing is published but what is encrypted, and what leads there', () => {
  const { services } = readCompose('compose.tls.yaml', tls)
  expect(services.parley?.ports).toBeUndefined()
  expect(services.caddy?.ports).toEqual(['80:80', '443:443', '443:443/udp'])
})
