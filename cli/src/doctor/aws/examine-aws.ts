import type { Environment } from '../../command.ts'
import { type Act, both, type CheckResult, type Finding, type Known, known, make } from '../check.ts'
import { printable, Skip, Trouble } from '../trouble.ts'
import { type Answer, textIn } from './answer.ts'
import { type Aws, awsCalls } from './calls.ts'
import { unchecked, wrong } from './codes.ts'
import { clientAspects, describeClient, describePool, type Pool, poolAspects } from './cognito.ts'
import { checkTtl, describeTable, keyOf } from './dynamodb.ts'
import { arn, type Service } from './endpoints.ts'
import { addressesOf, checkAddress, checkMetadata, checkState, findInstance, type Instance } from './instance.ts'
import type { AwsPackages } from './packages.ts'
import {
  checkPermissions,
  type Demand,
  listOf,
  needed,
  type Principal,
  roleCalled,
  roleOfCaller,
  roleOfInstance,
} from './permissions.ts'
import { checkDoor, checkOutbound, describeGroups, nameOf } from './ports.ts'
import type { AwsTarget } from './target.ts'

export interface ExamineAwsOptions {
  readonly target: AwsTarget
  readonly packages: AwsPackages
  readonly env: Environment
  readonly signal?: AbortSignal
  /** Milliseconds that each check may take. */
  readonly deadline?: number
}

const ready = known(undefined)
const silence = () =>
  wrong('UNREACHABLE', 'AWS does not answer in time.', 'Check the region, and the network of this machine.')

interface Caller {
  readonly aws: Aws
  /** Undefined, if STS does not say. */
  readonly identity: { readonly arn: string; readonly account: string } | undefined
}

type Step = <Needed, Found>(
  name: string,
  needs: Known<Needed>,
  act: Act<Needed, Found>,
) => AsyncGenerator<CheckResult, Known<Found>>

/**
 * Looks at what a deployment on AWS needs, and yields a result for each thing. Changes nothing. What these credentials
 * may not look at is skipped, with the permission that it needs.
 * @throws the reason of `signal`
 */
export async function* examineAws(options: ExamineAwsOptions): AsyncGenerator<CheckResult, void> {
  const { target, deadline = 15_000, signal } = options
  const step: Step = (name, needs, act) => make({ name, needs, silence, act }, { deadline, signal })
  const caller = yield* step('credentials', ready, (_, signal) => checkCredentials(options, signal))
  const pool = yield* examinePool(step, caller, target)
  const table = yield* examineTable(step, caller, target)
  const instance = yield* examineInstance(step, caller, target)
  yield* examinePermissions(step, caller, instance, { pool, table }, target)
}

async function checkCredentials(
  { target: { region }, packages, env }: ExamineAwsOptions,
  signal: AbortSignal,
): Promise<Finding<Caller>> {
  const credentials = await packages
    .defaultProvider()()
    .catch(cause => {
      // It says, for example, that a session has ended.
      const reason = cause instanceof Error ? printable(cause.message).replace(/\.$/, '') : 'no reason is known'
      const detail = `No credentials for AWS are found in the environment, in ~/.aws or in a role of this machine: ${reason}.`
      throw wrong('NO_CREDENTIALS', detail, 'Set AWS_PROFILE, or sign in: aws sso login, or aws configure.', cause)
    })
  const aws = awsCalls(packages, credentials, env)
  try {
    const answer = await aws.ask({ service: 'sts', region, operation: 'GetCallerIdentity', input: {} }, signal)
    const identity = { arn: textIn(answer.Arn), account: textIn(answer.Account) }
    return { detail: `They are those of ${identity.arn}.`, value: { aws, identity } }
  } catch (error) {
    // The others may be reached all the same, as from a network without a way to STS.
    if (error instanceof Trouble && error.code !== 'UNREACHABLE' && error.code !== 'AWS_REFUSED') throw error
    if (!(error instanceof Trouble || error instanceof Skip)) throw error
    const code = error.code ?? 'AWS_REFUSED'
    return {
      status: 'skipped',
      code,
      detail: `Whose they are could not be asked: ${error.message}`,
      value: { aws, identity: undefined },
    }
  }
}

async function* examinePool(step: Step, caller: Known<Caller>, { pool }: AwsTarget) {
  if (!pool) return yield* skip('user pool', 'Identities do not come from Cognito.')
  const found = yield* step('user pool', caller, ({ aws }, signal) => describePool(aws, pool, signal))
  yield* aspects(step, poolAspects, found, pool)
  const client = yield* step('app client', caller, ({ aws }, signal) => describeClient(aws, pool, signal))
  yield* aspects(step, clientAspects, client, pool)
  return found
}

type Aspects = Readonly<Record<string, (found: Answer, pool: Pool) => Finding<undefined>>>

async function* aspects(step: Step, all: Aspects, found: Known<Answer>, pool: Pool) {
  for (const [name, look] of Object.entries(all)) yield* step(name, found, async answer => look(answer, pool))
}

async function* examineTable(step: Step, caller: Known<Caller>, { table }: AwsTarget) {
  if (!table) return yield* skip('table', 'Rooms are not kept in DynamoDB.')
  const found = yield* step('table', caller, ({ aws }, signal) => describeTable(aws, table, signal))
  yield* step('table key', found, async answer => keyOf(answer))
  // Its permission is another one.
  yield* step('TTL', caller, ({ aws }, signal) => checkTtl(aws, table, signal))
  return found
}

async function* skip(name: string, detail: string): AsyncGenerator<CheckResult, Known<Answer>> {
  yield { name, status: 'skipped', detail }
  return { isKnown: false, name }
}

async function* examineInstance(step: Step, caller: Known<Caller>, target: AwsTarget) {
  const instance = yield* step('instance', caller, ({ aws }, signal) => findInstance(aws, target, signal))
  yield* step('state', instance, async found => checkState(found))
  yield* step('address', instance, found => checkAddress(found, target.host))
  yield* step('metadata', instance, async found => checkMetadata(found))
  const groups = yield* step('security group', both(caller, instance), ([{ aws }, found], signal) =>
    describeGroups(aws, found, signal),
  )
  const doors = instance.isKnown ? await doorsOf(target, instance.value) : target.doors
  for (const door of doors)
    yield* step(nameOf(door), both(groups, instance), async ([rules, found]) => checkDoor(rules, door, found))
  yield* step('outbound', both(groups, instance), async ([rules, found]) => checkOutbound(rules, found))
  return instance
}

/** Those of the server, and of the TURN servers that are on the same instance. */
async function doorsOf({ doors, turn, relays }: AwsTarget, { publicAddress }: Instance) {
  const here = []
  for (const { host, door } of turn) {
    if (host === undefined || (publicAddress && (await addressesOf(host)).includes(publicAddress))) here.push(door)
  }
  const all = here.length > 0 ? [...doors, ...here, relays] : doors
  return all.filter((door, index) => all.findIndex(other => nameOf(other) === nameOf(door)) === index)
}

async function* examinePermissions(
  step: Step,
  caller: Known<Caller>,
  instance: Known<Instance>,
  found: { readonly pool: Known<Answer>; readonly table: Known<Answer> },
  target: AwsTarget,
) {
  const principal = yield* step('role', caller, (found, signal) => principalOf(found, instance, target, signal))
  yield* step('permissions', both(caller, principal), async ([{ aws, identity }, who], signal) => {
    const demands = demandsOf(target, found, identity?.account)
    try {
      return await checkPermissions(aws, who, demands, target.region, signal)
    } catch (error) {
      if (!(error instanceof Skip) || error.code !== 'NOT_PERMITTED') throw error
      throw unchecked(
        'NOT_PERMITTED',
        error.message,
        `Allow that to these credentials, or see yourself that ${who.arn} may call ${listOf(demands)}.`,
      )
    }
  })
}

async function principalOf(
  { aws, identity }: Caller,
  instance: Known<Instance>,
  { role, region }: AwsTarget,
  signal: AbortSignal,
): Promise<Finding<Principal>> {
  if (role) return roleCalled(aws, role, region, signal)
  if (instance.isKnown) return roleOfInstance(aws, instance.value, signal)
  if (identity) return roleOfCaller(aws, identity.arn, region, signal)
  throw unchecked(
    'NO_INSTANCE',
    'Neither the instance nor who you are is known.',
    'Name the role of the server with --role.',
  )
}

/** On what it is: by its name in the account, or, where that is not known, as it calls itself. */
function demandsOf(
  { pool, table }: AwsTarget,
  found: { readonly pool: Known<Answer>; readonly table: Known<Answer> },
  account: string | undefined,
): Demand[] {
  const resource = (service: Service, region: string, name: string, known: Known<Answer>, member: string) => {
    const own = known.isKnown ? textIn(known.value[member]) : ''
    return account === undefined && own ? own : arn(service, region, account ?? '*', name)
  }
  const demands: Demand[] = []
  if (pool) {
    const { region, id } = pool
    demands.push({
      actions: needed.pool,
      resource: resource('cognito-idp', region, `userpool/${id}`, found.pool, 'Arn'),
    })
  }
  if (table) {
    const { region, name } = table
    demands.push({
      actions: needed.table,
      resource: resource('dynamodb', region, `table/${name}`, found.table, 'TableArn'),
    })
  }
  return demands
}
