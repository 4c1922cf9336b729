import { type Answer, elements, textIn } from './answer.ts'
import type { Aws } from './calls.ts'
import { doubtful, good, wrong } from './codes.ts'
import type { Instance } from './instance.ts'
import type { Door } from './target.ts'

/** A rule of a security group, to one other side. */
export interface Rule {
  /** As IANA numbers it, or its name; -1 is all (EC2 API reference, IpPermission). */
  readonly protocol: string
  readonly from: number
  readonly to: number
  /** A network, a prefix list or a security group. */
  readonly peer: string
}

export interface Rules {
  readonly inbound: readonly Rule[]
  readonly outbound: readonly Rule[]
}

const anybody = '0.0.0.0/0'

/** The rules of all security groups of the instance, which count together. @throws Trouble, Skip */
export async function describeGroups(aws: Aws, { region, groups }: Instance, signal: AbortSignal) {
  const input = Object.fromEntries(groups.map((group, index) => [`GroupId.${index + 1}`, group]))
  const answer = await aws.ask({ service: 'ec2', region, operation: 'DescribeSecurityGroups', input }, signal)
  const all = elements(answer.securityGroupInfo, 'item')
  const rules = (list: 'ipPermissions' | 'ipPermissionsEgress') =>
    all.flatMap(group => elements(group[list], 'item')).flatMap(rulesOf)
  const value: Rules = { inbound: rules('ipPermissions'), outbound: rules('ipPermissionsEgress') }
  return { detail: `${groups.join(', ')}: ${value.inbound.length} rules for what comes in.`, value }
}

function rulesOf(permission: Answer): Rule[] {
  const peers = [
    ...elements(permission.ipRanges, 'item').map(({ cidrIp }) => cidrIp),
    ...elements(permission.ipv6Ranges, 'item').map(({ cidrIpv6 }) => cidrIpv6),
    ...elements(permission.prefixListIds, 'item').map(({ prefixListId }) => prefixListId),
    ...elements(permission.groups, 'item').map(({ groupId }) => groupId),
  ].map(textIn)
  const protocol = textIn(permission.ipProtocol)
  // Of all protocols it is all ports, whatever else stands there (EC2 API reference, IpPermission).
  const isAll = protocol === '-1' || permission.fromPort === undefined
  const [from, to] = isAll ? [0, 65_535] : [Number(permission.fromPort), Number(permission.toPort)]
  return peers.map(peer => ({ protocol, from, to, peer }))
}

/** To whom all ports of a door are open, be it by several rules. */
export function openTo(
  rules: readonly Rule[],
  { protocol, from, to }: Pick<Door, 'protocol' | 'from' | 'to'>,
): string[] {
  const names = [protocol, protocol === 'tcp' ? '6' : '17', '-1']
  const open = new Map<string, Rule[]>()
  for (const rule of rules) {
    if (names.includes(rule.protocol)) open.set(rule.peer, [...(open.get(rule.peer) ?? []), rule])
  }
  const isCovered = (own: readonly Rule[]) => {
    let next = from
    for (const rule of own.toSorted((a, b) => a.from - b.from))
      if (rule.from <= next) next = Math.max(next, rule.to + 1)
    return next > to
  }
  return [...open].filter(([, own]) => isCovered(own)).map(([peer]) => peer)
}

export const nameOf = ({ protocol, from, to }: Door): string => `${from === to ? from : `${from}-${to}`}/${protocol}`

/** Whether peers get through to a door. @throws Trouble */
export function checkDoor({ inbound }: Rules, door: Door, { region, groups: [group = ''] }: Instance) {
  const { protocol, from, to, why, isForAll } = door
  const peers = openTo(inbound, door)
  const command = `aws ec2 authorize-security-group-ingress --region ${region} --group-id ${group} --ip-permissions IpProtocol=${protocol},FromPort=${from},ToPort=${to},IpRanges=[{CidrIp=${anybody}}]`
  if (peers.length === 0) {
    const ports = from === to ? `Port ${nameOf(door)} (${why}) is not` : `Ports ${nameOf(door)} (${why}) are not all`
    const detail = `${ports} open in the security group.`
    throw wrong('PORT_CLOSED', detail, `Open it, to these or to fewer networks: ${command}`)
  }
  if (peers.includes(anybody)) return good(`Open to everybody (${why}).`)
  const detail = `Open to ${peers.join(', ')} only (${why}).`
  if (!isForAll) return good(detail)
  return doubtful(
    'PORT_RESTRICTED',
    detail,
    `The authority asks from addresses that nobody knows beforehand; without it the certificate ends: ${command}`,
  )
}

/** Whether the server gets out to Cognito and DynamoDB. @throws Trouble */
export function checkOutbound({ outbound }: Rules, { region, groups: [group = ''] }: Instance) {
  const peers = openTo(outbound, { protocol: 'tcp', from: 443, to: 443 })
  if (peers.includes(anybody)) return good('HTTPS gets out to everybody.')
  if (peers.length > 0) return good(`HTTPS gets out to ${peers.join(', ')}; Cognito and DynamoDB must be among them.`)
  const command = `aws ec2 authorize-security-group-egress --region ${region} --group-id ${group} --ip-permissions IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=${anybody}}]`
  throw wrong(
    'OUTBOUND_CLOSED',
    'The security group lets no HTTPS out, so that the server reaches neither Cognito nor DynamoDB.',
    `Open it: ${command}`,
  )
}
