import { readAddress } from './address.ts'

/** Each proxy on the way adds the one before it at the end. An entry that names no address is undefined. */
export type Hops = readonly (string | undefined)[]

/** Characters of a header that are read: no way is that long, and anybody may send more. */
const longest = 4096

/** The hops in `X-Forwarded-For`, whose several lines are one list (RFC 9110 section 5.3). */
export function hopsOfList(header: string): Hops {
  // What the client itself has written stands first, so that the end is what counts.
  const hops = header.slice(-longest).split(',')
  // A proxy that adds itself to an empty header.
  while (hops.length > 1 && hops[0]?.trim() === '') hops.shift()
  return hops.map(hop => addressOf(hop.trim().replace(/^"(.*)"$/, '$1')))
}

/**
 * One `name=value` of RFC 7239 section 4, and what ends it. Addresses with a port must be quoted and often are not. A
 * quotation mark anywhere else is no way to write a value: somebody may want to swallow what a proxy adds.
 */
const pair = /[ \t]*(?:([^\s=;,"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?[ \t]*([;,]|$)/y

/**
 * The hops in `Forwarded` (RFC 7239), none if it names no `for` at all; undefined if it is malformed, as then nobody knows
 * who has written what.
 */
export function hopsOfForwarded(header: string): Hops | undefined {
  if (header.length > longest) return undefined
  const hops: (string | undefined)[] = []
  let namesHops = false
  let from: string | undefined
  pair.lastIndex = 0
  for (;;) {
    const [found, name = '', quoted, bare, end] = pair.exec(header) ?? []
    if (found === undefined) return undefined
    if (name.toLowerCase() === 'for') {
      if (from !== undefined) return undefined
      namesHops = true
      from = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? ''
    }
    if (end === ';') continue
    hops.push(addressOf(from ?? ''))
    from = undefined
    if (end === '') return namesHops ? hops : []
  }
}

/** The address in what names a hop (RFC 7239 section 6): it may have a port, or be `unknown` or made up (`_hidden`). */
function addressOf(node: string): string | undefined {
  const [, inBrackets, beforePort] = /^(?:\[(.*)\]|([\d.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(node) ?? []
  return readAddress(inBrackets ?? beforePort ?? node)
}
