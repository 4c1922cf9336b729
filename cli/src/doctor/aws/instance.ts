import { lookup } from 'node:dns/promises'
import { isIPv4 } from 'node:net'
import { at, elements, objectIn, textIn } from './answer.ts'
import { type Aws, Refusal } from './calls.ts'
import { doubtful, good, unchecked, wrong } from './codes.ts'
import type { AwsTarget } from './target.ts'

export interface Instance {
  readonly id: string
  readonly region: string
  readonly state: string
  /** Empty, if it has none. */
  readonly publicAddress: string
  /** The ARN of its instance profile; empty, if it has none. */
  readonly profile: string
  readonly metadata: { readonly endpoint: string; readonly tokens: string; readonly hopLimit: number }
  readonly groups: readonly string[]
}

/** Which instances: one, or those that a filter lets pass (EC2 API reference, DescribeInstances). */
type Choice = { readonly id: string } | { readonly filter: string; readonly values: readonly string[] }

/** The IPv4 addresses of a host; none, if its name has none. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIPv4(host)) return [host]
  const found = await lookup(host, { all: true, family: 4 }).catch(() => [])
  return found.map(({ address }) => address)
}

/** Finds the instance: the one that is named, or that has the server's address, or the only one of the module. @throws Trouble, Skip */
export async function findInstance(aws: Aws, { region, instanceId, host }: AwsTarget, signal: AbortSignal) {
  const how = 'Name it with --instance, or give the address of the server.'
  if (instanceId) {
    const [instance] = await describeInstances(aws, region, { id: instanceId }, signal)
    if (!instance) throw noInstance(instanceId, region)
    return found(instance)
  }
  if (host !== undefined) {
    const values = await addressesOf(host)
    const [instance] =
      values.length > 0 ? await describeInstances(aws, region, { filter: 'ip-address', values }, signal) : []
    if (instance) return found(instance)
    const address =
      values.length > 0 ? `the address of ${host} (${values.join(', ')})` : `an address, as ${host} has none`
    throw unchecked(
      'NO_INSTANCE',
      `No instance in ${region} in this account has ${address}.`,
      'If it is behind a load balancer or in another region, name it with --instance and --region.',
    )
  }
  const instances = await describeInstances(aws, region, { filter: 'tag:Project', values: ['parley'] }, signal)
  const [instance, ...others] = instances
  if (!instance)
    throw unchecked('NO_INSTANCE', `No instance in ${region} has the tag Project=parley of the Terraform module.`, how)
  if (others.length === 0) return found(instance)
  const ids = instances.map(({ id }) => id).join(', ')
  throw unchecked('NO_INSTANCE', `Several instances in ${region} have the tag Project=parley: ${ids}.`, how)
}

const found = (instance: Instance) => ({ detail: `It is ${instance.id} in ${instance.region}.`, value: instance })

const noInstance = (id: string, region: string, cause?: unknown) =>
  wrong(
    'INSTANCE_NOT_FOUND',
    `There is no instance ${id} in ${region} in this account.`,
    'Compare it with “aws ec2 describe-instances”; --region names another region.',
    cause,
  )

async function describeInstances(aws: Aws, region: string, choice: Choice, signal: AbortSignal): Promise<Instance[]> {
  const call = { service: 'ec2', region, operation: 'DescribeInstances', input: inputOf(choice) } as const
  const answer = await aws.ask(call, signal).catch(error => {
    if ('id' in choice && error instanceof Refusal && error.reason.startsWith('InvalidInstanceID')) {
      throw noInstance(choice.id, region, error)
    }
    throw error
  })
  const reservations = elements(answer.reservationSet, 'item')
  return reservations
    .flatMap(({ instancesSet }) => elements(instancesSet, 'item'))
    .map(item => instanceOf(item, region))
}

function inputOf(choice: Choice): Record<string, string> {
  if ('id' in choice) return { 'InstanceId.1': choice.id }
  const values = choice.values.map((value, index) => [`Filter.1.Value.${index + 1}`, value])
  const states = ['pending', 'running', 'stopping', 'stopped'].map((state, index) => [
    `Filter.2.Value.${index + 1}`,
    state,
  ])
  const names = { 'Filter.1.Name': choice.filter, 'Filter.2.Name': 'instance-state-name' }
  return { ...names, ...Object.fromEntries([...values, ...states]) }
}

function instanceOf(item: Readonly<Record<string, unknown>>, region: string): Instance {
  const { httpEndpoint, httpTokens, httpPutResponseHopLimit } = objectIn(item.metadataOptions)
  const interfaces = elements(item.networkInterfaceSet, 'item')
  const groups = [item, ...interfaces].flatMap(({ groupSet }) => elements(groupSet, 'item'))
  return {
    id: textIn(item.instanceId),
    region,
    state: textIn(at(item, 'instanceState', 'name')),
    publicAddress: textIn(item.ipAddress),
    profile: textIn(at(item, 'iamInstanceProfile', 'arn')),
    metadata: {
      endpoint: textIn(httpEndpoint),
      tokens: textIn(httpTokens),
      hopLimit: Number(httpPutResponseHopLimit),
    },
    groups: [...new Set(groups.map(({ groupId }) => textIn(groupId)))],
  }
}

/** @throws Trouble */
export function checkState({ id, region, state }: Instance) {
  if (state === 'running') return good('It is running.')
  const advice = `Start it: aws ec2 start-instances --region ${region} --instance-ids ${id}`
  throw wrong('INSTANCE_NOT_RUNNING', `The instance is ${state || 'in no known state'}.`, advice)
}

/** Whether peers that know the server by its name come to this instance. */
export async function checkAddress({ publicAddress, id }: Instance, host: string | undefined) {
  if (!publicAddress) {
    const detail =
      'The instance has no public IPv4 address: only what is in its network reaches it, or a load balancer.'
    return doubtful('NO_PUBLIC_ADDRESS', detail, 'Associate an Elastic IP with it, unless that is on purpose.')
  }
  const addresses = host === undefined ? [publicAddress] : await addressesOf(host)
  if (addresses.includes(publicAddress)) return good(`It is ${publicAddress}.`)
  const elsewhere = addresses.length > 0 ? `leads to ${addresses.join(', ')}` : 'has no address'
  return doubtful(
    'ADDRESS_DIFFERS',
    `${host} ${elsewhere}, but ${id} has ${publicAddress}.`,
    'Correct the DNS record, or associate the Elastic IP with this instance.',
  )
}

/** Whether a container gets the role's credentials, and nothing outside the instance does (EC2 user guide, "Use IMDSv2"). @throws Trouble */
export function checkMetadata({ id, region, metadata: { endpoint, tokens, hopLimit } }: Instance) {
  const command = `aws ec2 modify-instance-metadata-options --region ${region} --instance-id ${id} --http-endpoint enabled --http-tokens required --http-put-response-hop-limit 2`
  if (endpoint === 'disabled') {
    const detail = 'The metadata service of the instance is off, so that the server gets no credentials.'
    throw wrong('METADATA_OFF', detail, `Switch it on: ${command}`)
  }
  if (!(hopLimit >= 2)) {
    const detail = `The hop limit of the metadata service is ${hopLimit}: its answers do not reach a container, which then has no credentials.`
    throw wrong('HOP_LIMIT', detail, `Raise it to 2: ${command}`)
  }
  if (tokens !== 'required') {
    const detail =
      'The metadata service answers without a token (IMDSv1): an attacker who makes a program on the instance fetch a URL gets the credentials of the role.'
    return doubtful('IMDSV1', detail, `Require IMDSv2: ${command}`)
  }
  return good(`It requires a token (IMDSv2), at ${hopLimit} hops.`)
}
