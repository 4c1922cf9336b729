import { elements, listIn, objectIn, textIn } from './answer.ts'
import { type Aws, Refusal } from './calls.ts'
import { doubtful, good, unchecked, wrong } from './codes.ts'
import type { Instance } from './instance.ts'

/** What the server calls with credentials; docs/migrating-from-python.md has it as a policy. */
export const needed = {
  pool: ['cognito-idp:AdminConfirmSignUp', 'cognito-idp:AdminDeleteUser'],
  table: [
    'dynamodb:GetItem',
    'dynamodb:BatchGetItem',
    'dynamodb:PutItem',
    'dynamodb:UpdateItem',
    'dynamodb:DeleteItem',
  ],
} as const

/** What somebody must be allowed to do, and on what. */
export interface Demand {
  readonly actions: readonly string[]
  /** An ARN. */
  readonly resource: string
}

export interface Principal {
  /** Of a role or user of IAM. */
  readonly arn: string
  /** It is only supposed that the server has these: they are those of the doctor itself. */
  readonly isGuess: boolean
}

/** The role of the instance. @throws Trouble, Skip */
export async function roleOfInstance(aws: Aws, { profile, region, id }: Instance, signal: AbortSignal) {
  const name = profile.split('/').at(-1) ?? ''
  const fix = `Associate an instance profile with the role: aws ec2 associate-iam-instance-profile --region ${region} --instance-id ${id} --iam-instance-profile Name=…`
  if (!name) throw wrong('NO_ROLE', 'The instance has no instance profile, so that the server has no credentials.', fix)
  const call = {
    service: 'iam',
    region,
    operation: 'GetInstanceProfile',
    input: { InstanceProfileName: name },
  } as const
  const answer = await aws.ask(call, signal).catch(error => {
    if (!isMissing(error)) throw error
    throw wrong('NO_ROLE', `The instance profile ${name} of the instance is no longer there.`, fix, error)
  })
  const [role] = elements(objectIn(objectIn(answer.InstanceProfile).Roles), 'member')
  if (!role)
    throw wrong(
      'NO_ROLE',
      `The instance profile ${name} has no role.`,
      `Put the role into it: aws iam add-role-to-instance-profile --instance-profile-name ${name} --role-name …`,
    )
  const value: Principal = { arn: textIn(role.Arn), isGuess: false }
  return { detail: `It is ${value.arn}.`, value }
}

/** A role by its name or ARN. @throws Trouble, Skip */
export async function roleCalled(aws: Aws, role: string, region: string, signal: AbortSignal) {
  const value: Principal = { arn: role, isGuess: false }
  if (role.startsWith('arn:')) return { detail: `It is ${role}.`, value }
  const call = { service: 'iam', region, operation: 'GetRole', input: { RoleName: role } } as const
  const answer = await aws.ask(call, signal).catch(error => {
    if (!isMissing(error)) throw error
    throw wrong(
      'ROLE_NOT_FOUND',
      `There is no role ${role} in this account.`,
      'Compare it with “aws iam list-roles”.',
      error,
    )
  })
  const arn = textIn(objectIn(answer.Role).Arn)
  return { detail: `It is ${arn}.`, value: { ...value, arn } }
}

const isMissing = (error: unknown) => error instanceof Refusal && error.reason === 'NoSuchEntity'

/** Whose policies count for a caller, as STS names it: of an assumed role, the role. @throws Trouble, Skip */
export async function roleOfCaller(aws: Aws, caller: string, region: string, signal: AbortSignal) {
  const [, partition = '', account = '', name, session = ''] =
    /^arn:([\w-]+):sts::(\d+):assumed-role\/([^/]+)\/(.*)$/.exec(caller) ?? []
  // Sessions of instances are called like them (IAM user guide, "IAM roles for Amazon EC2").
  const value: Principal = { arn: caller, isGuess: !/^i-[\da-f]+$/.test(session) }
  if (name === undefined) return supposed(value)
  // STS leaves out the path that the role may have.
  const arn = await roleCalled(aws, name, region, signal).then(
    role => role.value.arn,
    error => {
      if (signal.aborted) throw error
      return `arn:${partition}:iam::${account}:role/${name}`
    },
  )
  return supposed({ ...value, arn })
}

const supposed = (value: Principal) => ({
  detail: `It is taken to be ${value.arn}, whose credentials these are.`,
  value,
})

/**
 * Whether somebody may do all of it, by a simulation of its policies: nothing is tried (IAM API reference,
 * SimulatePrincipalPolicy). Resource policies of the table do not count there. @throws Trouble, Skip
 */
export async function checkPermissions(
  aws: Aws,
  { arn, isGuess }: Principal,
  demands: readonly Demand[],
  region: string,
  signal: AbortSignal,
) {
  const who = isGuess ? `${arn} (whose credentials these are)` : arn
  if (/^arn:[\w-]+:iam::\d+:root$/.test(arn)) return good(`${who} may do everything.`)
  const results = await Promise.all(demands.map(demand => simulated(aws, arn, demand, region, signal)))
  const denied = results.flat().filter(({ decision }) => decision !== 'allowed')
  if (denied.length === 0) return good(`${who} may do what the server needs: ${listOf(demands)}.`)
  const sure = denied.filter(({ isUnsure }) => !isUnsure)
  const said = (decisions: readonly Decision[]) => decisions.map(({ action, why }) => `${action}${why}`).join(', ')
  const advice = `Attach the policy of docs/migrating-from-python.md#2-permissions: ${listOf(denied.map(({ action, resource }) => ({ actions: [action], resource })))}.`
  if (sure.length > 0) {
    const missing = `${who} may not call ${said(sure)}.`
    if (!isGuess) throw wrong('PERMISSION_MISSING', missing, advice)
    return doubtful(
      'PERMISSION_MISSING',
      missing,
      'If the server has another role, name it with --role, or the instance with --instance.',
    )
  }
  const detail = `Whether ${who} may call ${said(denied)} depends on conditions that cannot be simulated.`
  return doubtful('PERMISSION_UNSURE', detail, 'See in its policies that the conditions hold for the instance.')
}

interface Decision {
  readonly action: string
  readonly resource: string
  readonly decision: string
  /** Behind the action; empty, if there is nothing to say. */
  readonly why: string
  readonly isUnsure: boolean
}

async function simulated(
  aws: Aws,
  arn: string,
  { actions, resource }: Demand,
  region: string,
  signal: AbortSignal,
): Promise<Decision[]> {
  const names = actions.map((action, index) => [`ActionNames.member.${index + 1}`, action])
  const input = { PolicySourceArn: arn, 'ResourceArns.member.1': resource, ...Object.fromEntries(names) }
  const call = { service: 'iam', region, operation: 'SimulatePrincipalPolicy', input } as const
  const answer = await aws.ask(call, signal).catch(error => {
    if (isMissing(error) || (error instanceof Refusal && error.reason === 'InvalidInput')) {
      throw unchecked(
        'ROLE_NOT_FOUND',
        `The permissions of ${arn} could not be checked: IAM knows no such role or user.`,
        `See that it may call ${listOf([{ actions, resource }])}, or name the server's role with --role.`,
      )
    }
    throw error
  })
  const decisions = elements(answer.EvaluationResults, 'member').map(result => decisionOf(result, resource))
  // What is not answered for is not known to be allowed.
  return actions.map(
    action =>
      decisions.find(decision => decision.action === action) ?? {
        action,
        resource,
        decision: '',
        why: ' (no answer)',
        isUnsure: true,
      },
  )
}

function decisionOf(result: Readonly<Record<string, unknown>>, resource: string): Decision {
  const decision = textIn(result.EvalDecision)
  const isForbidden = objectIn(result.OrganizationsDecisionDetail).AllowedByOrganizations === 'false'
  const isBounded = objectIn(result.PermissionsBoundaryDecisionDetail).AllowedByPermissionsBoundary === 'false'
  const reasons = [
    decision === 'explicitDeny' && 'denied by a policy',
    isForbidden && 'not allowed by the organization',
    isBounded && 'not allowed by the permissions boundary',
  ].filter(Boolean)
  return {
    action: textIn(result.EvalActionName),
    resource,
    decision,
    why: reasons.length > 0 ? ` (${reasons.join(', ')})` : '',
    isUnsure: decision === 'implicitDeny' && reasons.length === 0 && missing(result.MissingContextValues).length > 0,
  }
}

const missing = (values: unknown): readonly unknown[] => {
  const { member } = objectIn(values)
  return member === undefined ? [] : Array.isArray(member) ? listIn(member) : [member]
}

/** The actions, each with what it is needed on, for people. */
export function listOf(demands: readonly Demand[]): string {
  const byResource = new Map<string, string[]>()
  for (const { actions, resource } of demands)
    byResource.set(resource, [...(byResource.get(resource) ?? []), ...actions])
  return [...byResource].map(([resource, actions]) => `${actions.join(', ')} on ${resource}`).join('; ')
}
