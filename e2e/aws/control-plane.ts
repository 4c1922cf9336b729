import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An object of EC2, IAM or STS, as the element of the same names that its API reference shows. */
export type Part = string | number | boolean | readonly Part[] | { readonly [name: string]: Part | undefined }

/** What there is in an account, besides pools and tables. All of it may be changed while it runs. */
export interface Account {
  /** Who asks, as GetCallerIdentity says it. */
  caller: { Arn: string; Account: string }
  instances: Part[]
  securityGroups: Part[]
  /** By their names. */
  instanceProfiles: Record<string, Part>
  roles: Record<string, Part>
  /** The decision on each action, with what else the answer has; what is not named is an implicit deny. */
  decisions: Record<string, { readonly EvalDecision: string; readonly [name: string]: Part }>
  /** Operations that this caller may not call, and the error with which the service says so. */
  forbidden: Record<string, string>
  /** Answers instead of what there is: an operation, and the status and body. */
  answers: Record<string, { status: number; body: string; headers?: Record<string, string> }>
}

/** A request as it came. */
export interface ControlCall {
  readonly operation: string
  readonly parameters: URLSearchParams
  /** The scope of its signature: date, region, service. */
  readonly scope: string
}

/**
 * A stand-in for EC2, IAM and STS where no emulator is: it speaks the Query protocol with XML, as their API references
 * show it, for the operations that `parley doctor --aws` calls. It takes signed requests only, and answers from
 * `account`.
 */
export interface ControlPlane {
  readonly url: string
  readonly account: Account
  readonly calls: readonly ControlCall[]
  stop(): void
}

/** Names of operations, and the version of their API with which they must be asked. */
const versions: Record<string, string> = {
  DescribeInstances: '2016-11-15',
  DescribeSecurityGroups: '2016-11-15',
  GetInstanceProfile: '2010-05-08',
  GetRole: '2010-05-08',
  SimulatePrincipalPolicy: '2010-05-08',
  GetCallerIdentity: '2011-06-15',
}
const services: Record<string, string> = { '2016-11-15': 'ec2', '2010-05-08': 'iam', '2011-06-15': 'sts' }

export async function startControlPlane(account: Account): Promise<ControlPlane> {
  const calls: ControlCall[] = []
  const server = createServer(async (request, response) => {
    const parameters = new URLSearchParams(await textOf(request))
    const operation = parameters.get('Action') ?? ''
    const version = parameters.get('Version') ?? ''
    const scope =
      /Credential=[^/]+\/(\d{8}\/[\w-]+\/[\w-]+)\/aws4_request, SignedHeaders=[\w;-]*host[\w;-]*, Signature=[\da-f]{64}$/.exec(
        request.headers.authorization ?? '',
      )?.[1]
    const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'text/xml;charset=UTF-8', ...headers }).end(body)
    const service = services[version] ?? ''
    if (versions[operation] !== version)
      return answer(400, errorOf(service, 'InvalidAction', `No ${operation} in ${version}.`))
    if (!scope?.endsWith(`/${service}`))
      return answer(403, errorOf(service, 'SignatureDoesNotMatch', `Scope ${scope}.`))
    calls.push({ operation, parameters, scope })
    const prepared = account.answers[operation]
    if (prepared) return answer(prepared.status, prepared.body, prepared.headers)
    const code = account.forbidden[operation]
    if (code)
      return answer(
        403,
        errorOf(service, code, `${account.caller.Arn} is not authorized to perform: ${service}:${operation}`),
      )
    try {
      answer(200, envelope(service, operation, operations[operation]?.(account, parameters) ?? {}))
    } catch (error) {
      if (!(error instanceof NotThere)) throw error
      answer(service === 'ec2' ? 400 : 404, errorOf(service, error.code, error.message))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, account, calls, stop: () => void server.close() }
}

class NotThere extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

type Operation = (account: Account, parameters: URLSearchParams) => Part

const operations: Record<string, Operation> = {
  DescribeInstances({ instances }, parameters) {
    const id = parameters.get('InstanceId.1')
    const chosen = instances.filter(instance =>
      id ? memberOf(instance, 'instanceId') === id : passes(instance, parameters),
    )
    if (id && chosen.length === 0)
      throw new NotThere('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
    // One reservation for each, as instances that are launched one by one have.
    return {
      reservationSet: items(chosen.map(instance => ({ reservationId: 'r-1', instancesSet: items([instance]) }))),
    }
  },
  DescribeSecurityGroups({ securityGroups }, parameters) {
    const ids = [...parameters].filter(([name]) => name.startsWith('GroupId.')).map(([, value]) => value)
    const chosen = ids.map(id => {
      const group = securityGroups.find(each => memberOf(each, 'groupId') === id)
      if (!group) throw new NotThere('InvalidGroup.NotFound', `The security group '${id}' does not exist`)
      return group
    })
    return { securityGroupInfo: items(chosen) }
  },
  GetInstanceProfile: ({ instanceProfiles }, parameters) => ({
    InstanceProfile: named(instanceProfiles, parameters.get('InstanceProfileName'), 'Instance Profile'),
  }),
  GetRole: ({ roles }, parameters) => ({ Role: named(roles, parameters.get('RoleName'), 'The role with name') }),
  SimulatePrincipalPolicy({ decisions, roles }, parameters) {
    const source = parameters.get('PolicySourceArn') ?? ''
    if (/^arn:aws:sts:/.test(source)) throw new NotThere('InvalidInput', `Invalid Entity Arn: ${source}`)
    const isRole = source.includes(':role/')
    if (isRole && !Object.values(roles).some(role => memberOf(role, 'Arn') === source)) {
      throw new NotThere('NoSuchEntity', `Role ${source} does not exist`)
    }
    const actions = [...parameters].filter(([name]) => name.startsWith('ActionNames.member.')).map(([, value]) => value)
    const resource = parameters.get('ResourceArns.member.1') ?? ''
    const results = actions.map(action => ({
      EvalActionName: action,
      EvalResourceName: resource,
      EvalDecision: 'implicitDeny',
      MatchedStatements: '',
      MissingContextValues: '',
      ...decisions[action],
    }))
    return { EvaluationResults: members(results), IsTruncated: false }
  },
  GetCallerIdentity: ({ caller }) => ({ ...caller, UserId: 'AIDAEXAMPLE' }),
}

/** Lists of EC2, and those of IAM. */
export const items = (list: readonly Part[]): Part => ({ item: list })
export const members = (list: readonly Part[]): Part => ({ member: list })

function named(all: Record<string, Part>, name: string | null, what: string): Part {
  const part = all[name ?? '']
  if (part === undefined) throw new NotThere('NoSuchEntity', `${what} ${name} cannot be found.`)
  return part
}

function memberOf(part: Part, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inside, name) => (inside as Record<string, unknown> | undefined)?.[name], part)
}

/** The filters that are asked for (EC2 API reference, DescribeInstances). */
function passes(instance: Part, parameters: URLSearchParams): boolean {
  for (let n = 1; parameters.has(`Filter.${n}.Name`); n++) {
    const name = parameters.get(`Filter.${n}.Name`) ?? ''
    const values = [...parameters].filter(([key]) => key.startsWith(`Filter.${n}.Value.`)).map(([, value]) => value)
    const tags = (memberOf(instance, 'tagSet', 'item') ?? []) as { key: string; value: string }[]
    const own: Record<string, unknown> = {
      'ip-address': memberOf(instance, 'ipAddress'),
      'instance-state-name': memberOf(instance, 'instanceState', 'name'),
    }
    const value = name.startsWith('tag:') ? tags.find(({ key }) => `tag:${key}` === name)?.value : own[name]
    if (!values.includes(String(value))) return false
  }
  return true
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function xml(part: Part | undefined): string {
  if (part === undefined) return ''
  if (typeof part !== 'object') return escaped(String(part))
  return Object.entries(part)
    .map(([name, value]) => {
      if (Array.isArray(value)) return value.map(each => `<${name}>${xml(each)}</${name}>`).join('')
      return value === undefined ? '' : `<${name}>${xml(value)}</${name}>\n    `
    })
    .join('')
}

function envelope(service: string, operation: string, result: Part): string {
  const head = `<?xml version="1.0" encoding="UTF-8"?>\n`
  if (service === 'ec2') {
    return `${head}<${operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>${xml(result)}</${operation}Response>`
  }
  const meta = '<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>'
  return `${head}<${operation}Response xmlns="https://${service}.amazonaws.com/doc/2010-05-08/">
  <${operation}Result>${xml(result)}</${operation}Result>${meta}</${operation}Response>`
}

function errorOf(service: string, code: string, message: string): string {
  const error = `<Code>${code}</Code><Message>${escaped(message)}</Message>`
  if (service === 'ec2')
    return `<?xml version="1.0"?><Response><Errors><Error>${error}</Error></Errors><RequestID>r</RequestID></Response>`
  return `<ErrorResponse xmlns="https://${service}.amazonaws.com/doc/"><Error><Type>Sender</Type>${error}</Error><RequestId>r</RequestId></ErrorResponse>`
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
