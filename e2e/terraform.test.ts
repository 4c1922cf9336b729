import { afterAll, beforeAll, expect, onTestFinished, setDefaultTimeout, test } from 'bun:test'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDynalite } from './aws/dynalite.ts'
import { standInForAws } from './aws/terraform-stand-in.ts'
import { isComplete, needs } from './needs.ts'
import { root } from './parley-process.ts'
import { expectedTable } from './terraform-readme.ts'
import { type Outcome, openWorkspace, terraformParts, type Workspace } from './terraform-workspace.ts'

// Terraform takes seconds to load the provider of AWS, each time.
setDefaultTimeout(180_000)

const parts = await terraformParts()
const withTerraform = needs(parts)

const server = 'modules/signaling-server'
const production = 'environments/production'
const environments = ['environments/dev', production]
/** Of which both versions have their variables in a file. */
const originals = ['original-v1', 'original-v2']
const folders = ['modules/rooms-table', server, ...environments]
const testsOfServer = ['identity-and-rooms', 'instance', 'network']

let workspace: Workspace
/** What is run, by its name, in two rows at once, as most of the time of each is a wait for the provider. */
const outcomes = new Map<string, Promise<Outcome>>()

if (isComplete(parts)) {
  beforeAll(async () => {
    workspace = await openWorkspace()
    for (const folder of folders) await workspace.init(folder)
    await workspace.serveProvider(server)
    inARow(testsOfServer.map(name => [name, server, 'test', `-filter=tests/${name}.tftest.hcl`]))
    inARow([
      ['modules/rooms-table', 'modules/rooms-table', 'test'],
      ...environments.map(folder => withVariables(folder, folder, 'example', 'terraform.tfvars.example')),
      ...originals.map(name => withVariables(name, production, name, `tests/${name}.tfvars.example`)),
    ])
  })
  afterAll(async () => {
    await Promise.all(outcomes.values())
    await workspace.remove()
  })
}

/** A test file of a folder, with the variables of a file. */
const withVariables = (name: string, folder: string, tests: string, variables: string) => {
  return [name, folder, 'test', `-filter=tests/${tests}.tftest.hcl`, `-var-file=${variables}`]
}

function inARow(commands: readonly (readonly string[])[]): void {
  let previous: Promise<unknown> = Promise.resolve()
  for (const [name = '', folder = '', ...args] of commands) {
    const outcome = previous.then(() => workspace.run(folder, ...args))
    outcomes.set(name, outcome)
    previous = outcome
  }
}

async function succeeds(name: string): Promise<void> {
  const outcome = await outcomes.get(name)
  expect(outcome?.code, outcome?.output).toBe(0)
}

withTerraform('every file is formatted as Terraform does it', async () => {
  const { code, output } = await workspace.run('.', 'fmt', '-check', '-recursive', '-diff')
  expect(code, output).toBe(0)
})

for (const name of testsOfServer) {
  withTerraform(`the module's tests of ${name} pass`, () => succeeds(name))
}
withTerraform(`the tests of the table of rooms pass`, () => succeeds('modules/rooms-table'))
for (const folder of environments) {
  withTerraform(`the example variables of ${folder} do what they say`, () => succeeds(folder))
}

for (const name of originals) {
  withTerraform(`the variables of the original go on working: ${name}`, async () => {
    const { output = '' } = (await outcomes.get(name)) ?? {}
    // What a plan shows as a warning, a test shows as a failure. Variables that nobody declares would be passed over.
    const complaints = output.match(/^(Error|Warning): .*/gm)?.filter(line => !line.includes('CLI configuration')) ?? []
    const warnings = name === 'original-v2' ? ['Error: Check block assertion failed'] : []
    expect(complaints, output).toEqual(warnings)
    expect(output.includes('turn_password is deprecated')).toBe(name === 'original-v2')
    expect(output).toContain('run "goes_on_with_the_variables_of_the_original"')
  })
}

withTerraform('the table is created as it is defined, and the secret of the TURN server is in no state', async () => {
  const dynalite = await startDynalite()
  onTestFinished(() => dynalite.stop())
  const aws = await standInForAws(dynalite.url)
  onTestFinished(() => aws.stop())
  const emulated = await openWorkspace()
  onTestFinished(() => emulated.remove())
  await writeFile(join(emulated.folder, server, 'emulated.tf'), providerAt(aws.url))
  await emulated.init(server)
  await emulated.serveProvider(server)
  const secret = 'aws_ssm_parameter.turn_secret'
  const apply = (more: Readonly<Record<string, string | number>>, ...targets: readonly string[]) => {
    const variables = { docker_image: 'parley', enable_turn: true, ...more }
    const given = Object.entries(variables).map(([name, value]) => `-var=${name}=${value}`)
    const only = targets.map(target => `-target=${target}`)
    return emulated.run(server, 'apply', '-auto-approve', '-input=false', ...only, ...given)
  }

  const created = await apply({}, 'module.rooms_table', secret)
  expect(created.output).toContain('Apply complete! Resources: 2 added, 0 changed, 0 destroyed.')
  const { Table } = await dynalite.call('DescribeTable', { TableName: 'rooms' })
  expect(Table).toMatchObject({
    TableStatus: 'ACTIVE',
    KeySchema: [{ AttributeName: 'room_id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'room_id', AttributeType: 'S' }],
    BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
  })
  expect(Table).not.toHaveProperty('GlobalSecondaryIndexes')
  const asked = (name: string) =>
    aws.calls.filter(({ operation }) => operation.endsWith(`.${name}`)).map(call => call.input)
  expect(asked('CreateTable')).toEqual([
    expect.objectContaining({ DeletionProtectionEnabled: true, SSESpecification: { Enabled: true } }),
  ])
  expect(asked('UpdateTimeToLive')).toEqual([
    { TableName: 'rooms', TimeToLiveSpecification: { AttributeName: 'expires_at', Enabled: true } },
  ])
  expect(asked('UpdateContinuousBackups')).toEqual([
    {
      TableName: 'rooms',
      PointInTimeRecoverySpecification: expect.objectContaining({ PointInTimeRecoveryEnabled: true }),
    },
  ])

  const rotated = await apply({ turn_secret_version: 2 }, secret)
  expect(rotated.output).toContain('Apply complete! Resources: 0 added, 1 changed, 0 destroyed.')
  // The password of the original takes the place of the secret.
  const password = 'correct-horse-battery-staple'
  const shared = await apply({ turn_secret_version: 2, turn_password: password }, secret)
  expect(shared.output).toContain('Apply complete! Resources: 1 added, 0 changed, 1 destroyed.')
  const sent = asked('PutParameter')
  expect(sent.map(({ Name }) => Name)).toEqual([
    '/parley-dev/turn-secret',
    '/parley-dev/turn-secret',
    '/parley-dev/turn-password',
  ])
  const secrets = sent.map(({ Value }) => String(Value))
  const random = expect.stringMatching(/^[0-9a-f-]{72}$/)
  expect(secrets).toEqual([random, random, password])
  expect(secrets[0]).not.toBe(secrets[1])
  const left = [created.output, rotated.output, shared.output]
  for (const name of ['terraform.tfstate', 'terraform.tfstate.backup']) {
    left.push(await readFile(join(emulated.folder, server, name), 'utf8'))
  }
  expect(secrets.filter(value => left.some(text => text.includes(value)))).toEqual([])
})

test('the environments differ in their names and in how long they keep what they have', async () => {
  const both = (file: string) =>
    Promise.all(environments.map(folder => readFile(join(root, 'terraform', folder, file), 'utf8')))
  const [dev = '', production = ''] = await both('variables.tf')
  const protection = (text: string) =>
    /^# .*\nvariable "deletion_protection" \{\n {2}type {4}= bool\n {2}default = (\w+)\n\}\n/m.exec(text)
  expect([protection(dev)?.[1], protection(production)?.[1]]).toEqual(['false', 'true'])
  const withoutProtection = (text: string) => text.replace(protection(text)?.[0] ?? '', '')
  const devAsProduction = dev.replace('default = "dev"', 'default = "production"')
  expect(withoutProtection(production)).toBe(withoutProtection(devAsProduction))
  const [devOutputs, productionOutputs] = await both('outputs.tf')
  expect(productionOutputs).toBe(devOutputs)
  const [devMain = '', productionMain = ''] = await both('main.tf')
  const asProduction = devMain.replace('days = 7', 'days = 90')
  const withoutComments = (text: string) => text.replaceAll(/^ *#.*\n/gm, '')
  expect(withoutComments(productionMain)).toBe(withoutComments(asProduction))
  expect(devMain).toMatch(/^ +deletion_protection += var\.deletion_protection$/m)
})

test.each(['variables', 'outputs'] as const)('the README lists the %s of the module as they are', async what => {
  const readme = await readFile(join(root, 'terraform/README.md'), 'utf8')
  expect(readme).toContain(await expectedTable(join(root, 'terraform', server), what))
})

/** A provider that speaks to `url`, whatever it wants from AWS. */
const providerAt = (url: string) => `
provider "aws" {
  region                      = "eu-central-1"
  skip_credentials_validation = true
  skip_requesting_account_id  = true

  endpoints {
    dynamodb = "${url}"
    ssm      = "${url}"
  }
}
`
