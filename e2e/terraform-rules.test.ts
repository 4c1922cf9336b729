import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { isComplete, needs } from './needs.ts'
import { root } from './parley-process.ts'
import { argumentsOf, duplicateRules, type PlannedResource, violations } from './terraform-rules.ts'
import { table } from './terraform-rules-table.ts'
import { complaintsIn, openWorkspace, resourcesOfRuns, terraformParts, type Workspace } from './terraform-workspace.ts'

// Terraform takes seconds to load the provider of AWS, and prints its schema with each run.
setDefaultTimeout(240_000)

const parts = await terraformParts()
const withTerraform = needs(parts)
const modules = ['modules/signaling-server', 'modules/rooms-table'].map(folder => join(root, 'terraform', folder))

/** Of rules.tftest.hcl. */
const variants = ['defaults', 'longest', 'given', 'shared_user'] as const
let workspace: Workspace
let resources: Map<string, PlannedResource[]>

if (isComplete(parts)) {
  beforeAll(async () => {
    workspace = await openWorkspace()
    const server = 'modules/signaling-server'
    await workspace.init(server)
    await workspace.serveProvider(server)
    const { output } = await workspace.run(server, 'test', '-json', '-verbose', '-filter=tests/rules.tftest.hcl')
    resources = resourcesOfRuns(output)
    if (resources.size < variants.length) throw new Error(`terraform test says:\n${complaintsIn(output)}`)
  })
  afterAll(() => workspace.remove())
}

for (const variant of variants) {
  withTerraform(`AWS takes the names, texts, tags and numbers of every resource: ${variant}`, async () => {
    const planned = resources.get(variant) ?? []
    expect(planned.length).toBeGreaterThan(15)
    expect(violations(planned, table)).toEqual([])
    expect(duplicateRules(planned)).toEqual([])
  })
}

withTerraform('every resource and data source of the modules is in a variant', async () => {
  const addresses = (await Promise.all(modules.map(argumentsOf))).flatMap(found => [...found.addresses])
  const declared = (address: string) => address.replace(/^module\.\w+(\[\d+\])?\./, '').replace(/\[.*$/, '')
  const planned = new Set([...resources.values()].flat().map(({ address }) => declared(address)))
  expect(addresses.length).toBeGreaterThan(25)
  expect(addresses.filter(address => !planned.has(address))).toEqual([])
})

test('the table has a rule for every argument that the modules set, and no other', async () => {
  const paths = (await Promise.all(modules.map(argumentsOf))).flatMap(found => [...found.paths])
  const known = Object.entries(table).flatMap(([type, rules]) =>
    Object.keys(rules.arguments).map(path => `${type}.${path}`),
  )
  expect([...new Set(paths)].sort()).toEqual(known.sort())
})

/** What the table says of one resource with these values. */
const refused = (type: string, values: PlannedResource['values']) =>
  violations([{ address: type, type, values }], table)

test.each([
  ['aws_security_group', { description: "Parley's signaling server (dev)" }, `description has "'"`],
  ['aws_vpc_security_group_ingress_rule', { description: 'peers → relays' }, 'description has "→"'],
  ['aws_security_group', { description: 'a'.repeat(256) }, 'description has 256 characters'],
  ['aws_security_group', { name_prefix: 'sg-parley-' }, 'name_prefix begins with one of sg-'],
  ['aws_security_group', { tags: { 'AWS:team': 'media' } }, 'begins with one of aws:'],
  ['aws_iam_role', { name_prefix: `parley-${'a'.repeat(32)}` }, 'name_prefix has 39 characters'],
  ['aws_iam_role', { tags: { Environment: 'dev', environment: 'dev' } }, 'differ in nothing but case'],
  ['aws_iam_role', { tags: { team: 'a, b' } }, 'has ","'],
  ['aws_iam_role_policy', { policy: `{"a":"${'a'.repeat(10_240)}"}` }, 'characters without white space'],
  ['aws_ssm_parameter', { tags: { team: '' } }, 'has 0 characters'],
  ['aws_ssm_parameter', { name: '/ssm/turn-secret' }, 'begins with one of aws, ssm'],
  ['aws_ssm_parameter', { value_wo: 'secret' }, 'is in the state'],
  ['aws_instance', { user_data_base64: randomBytes(16_385).toString('base64') }, 'user_data_base64 has 16385 bytes'],
  ['aws_instance', { user_data_base64: gzipSync('ä').toString('base64') }, 'user_data_base64 has "ä"'],
  ['aws_cloudwatch_metric_alarm', { alarm_description: 'a'.repeat(1025) }, 'has 1025 characters'],
  ['aws_cloudwatch_log_group', { name: '/parley dev/server' }, 'name has " "'],
  ['aws_cloudwatch_log_group', { retention_in_days: 42 }, 'retention_in_days is none of'],
  ['aws_cloudwatch_log_metric_filter', { pattern: 'a'.repeat(1025) }, 'pattern has 1025 characters'],
  ['aws_cognito_user_pool', { name: "Parley's pool" }, `name has "'"`],
  [
    'aws_cognito_user_pool',
    { password_policy: [{ minimum_length: 100 }] },
    'password_policy.minimum_length is none of',
  ],
  ['aws_dynamodb_table', { name: 'my rooms' }, 'name has " "'],
  ['aws_route53_record', { name: `${'a'.repeat(64)}.example.com` }, 'name is not like'],
  ['data.aws_subnets', { filter: [{ name: 'map-public-ip', values: ['true'] }] }, 'filter.name is none of'],
  ['aws_sqs_queue', { name: 'rooms' }, 'there are no rules for aws_sqs_queue'],
] as const)('what AWS would refuse is found: %s (%#)', (type, values, why) => {
  expect(refused(type, values)).toEqual([expect.stringContaining(why)])
})

test('EC2 refuses two rules of a security group that are the same', () => {
  const type = 'aws_vpc_security_group_ingress_rule'
  const values = { ip_protocol: 'tcp', from_port: 22, to_port: 22, cidr_ipv4: '192.0.2.7/32' }
  const rules = ['one', 'two'].map(address => ({ address, type, values }))
  expect(duplicateRules(rules)).toEqual([expect.stringContaining('two: there is such a rule already')])
  expect(duplicateRules(rules.slice(1))).toEqual([])
})
