import { BlockList, isIPv6 } from 'node:net'
import type { Endpoint } from './stun.ts'
import type { Allocation } from './turn.ts'

/** Addresses that lead nowhere from another network. */
const privateNetworks = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv6')
}

const isPrivate = (ip: string): boolean => privateNetworks.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')

/** What is wrong with a relay, although there is one. */
export function doubts(
  { relayed, isOpen }: Pick<Allocation, 'relayed' | 'isOpen'>,
  server: Endpoint,
): { readonly status?: 'warning'; readonly advice?: string } {
  if (isOpen) {
    return {
      status: 'warning',
      advice: 'It asks for no credentials: strangers can send through it. Set use-auth-secret in coturn.',
    }
  }
  if (isPrivate(relayed.ip) && !isPrivate(server.ip)) {
    return {
      status: 'warning',
      advice: 'That address is a private one, which peers elsewhere do not reach: set external-ip in coturn.',
    }
  }
  return {}
}
