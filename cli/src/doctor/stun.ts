import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** An address and a port, as a STUN server tells them. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

export const printEndpoint = ({ ip, port }: Endpoint): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`

/** RFC 8489 section 18.2 and RFC 8656 section 17. */
const methods = { binding: 0x001, allocate: 0x003, refresh: 0x004 } as const
export type Method = keyof typeof methods

/** By their two bits, RFC 8489 section 5. */
const kinds = ['request', 'indication', 'success', 'error'] as const
export type Kind = (typeof kinds)[number]

/** RFC 8489 section 18.3 and RFC 8656 section 18. */
export const attributes = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedTransport: 0x0019,
  xorMappedAddress: 0x0020,
} as const

export interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

export interface OutgoingMessage {
  readonly method: Method
  readonly kind: Kind
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  readonly attributes: readonly Attribute[]
}

/** What there is to know of a message that has arrived. Attributes that nobody here needs are left out. */
export interface IncomingMessage {
  readonly method: Method
  readonly kind: Kind
  readonly transactionId: Buffer
  /** Where the request seemed to come from. */
  readonly mapped: Endpoint | undefined
  /** Where others reach the sender of an Allocate request. */
  readonly relayed: Endpoint | undefined
  /** Seconds. */
  readonly lifetime: number | undefined
  readonly username: string | undefined
  readonly realm: string | undefined
  readonly nonce: string | undefined
  readonly error: { readonly code: number; readonly reason: string } | undefined
  /** Whether MESSAGE-INTEGRITY is there and was made with `key`. */
  isSignedWith(key: Uint8Array): boolean
}

/** These bytes are no STUN message, or none that this side could have use for. */
export class MalformedStun extends Error {
  override readonly name = 'MalformedStun'
}

export const headerBytes = 20
export const magicCookie = 0x2112a442
const integrityBytes = 20

/** The key of long-term credentials, RFC 8489 section 9.2.2. The text is taken as it is, as WebRTC does. */
export const longTermKey = (username: string, realm: string, password: string): Buffer =>
  createHash('md5').update(`${username}:${realm}:${password}`).digest()

export const text = (type: number, value: string): Attribute => ({ type, value: Buffer.from(value) })

/** LIFETIME. */
export const lifetime = (seconds: number): Attribute => ({ type: attributes.lifetime, value: uint32(seconds) })

/** REQUESTED-TRANSPORT: a relay for UDP, the only one that WebRTC uses. */
export const relayForUdp: Attribute = { type: attributes.requestedTransport, value: Buffer.of(17, 0, 0, 0) }

/** @param key with it, MESSAGE-INTEGRITY is added */
export function encode(message: OutgoingMessage, key?: Uint8Array): Buffer {
  const body = Buffer.concat(message.attributes.map(encodeAttribute))
  if (!key) return Buffer.concat([header(message, body.length), body])
  const signed = Buffer.concat([header(message, body.length + 4 + integrityBytes), body])
  const value = createHmac('sha1', key).update(signed).digest()
  return Buffer.concat([signed, encodeAttribute({ type: attributes.messageIntegrity, value })])
}

/** The type: in RFC 8489 section 5 the bits of method and kind are mixed, but not within the methods known here. */
function header({ method, kind, transactionId }: OutgoingMessage, bodyBytes: number): Buffer {
  const bits = kinds.indexOf(kind)
  const type = methods[method] | ((bits & 1) << 4) | ((bits & 2) << 7)
  return Buffer.concat([uint32((type << 16) | bodyBytes), uint32(magicCookie), transactionId])
}

/** Padded with zeros to a multiple of four bytes. */
function encodeAttribute({ type, value }: Attribute): Buffer {
  const padding = Buffer.alloc(-value.length & 3)
  return Buffer.concat([uint32(type * 0x10000 + value.length), value, padding])
}

/** @throws MalformedStun */
export function decode(bytes: Buffer): IncomingMessage {
  const { method, kind } = kindOf(bytes)
  const transactionId = bytes.subarray(8, headerBytes)
  const found = new Map<number, Buffer>()
  let signedBytes = 0
  for (const { type, value, start } of walk(bytes)) {
    // RFC 8489 section 14: the first one counts; section 14.5: nothing after the signature does.
    if (signedBytes === 0 && !found.has(type)) found.set(type, value)
    if (signedBytes === 0 && type === attributes.messageIntegrity) signedBytes = start
  }
  const read = <T>(type: number, as: (value: Buffer) => T): T | undefined => {
    const value = found.get(type)
    return value && as(value)
  }
  const endpoint = (value: Buffer) => unmask(value, bytes.subarray(4, headerBytes))
  return {
    method,
    kind,
    transactionId,
    mapped: read(attributes.xorMappedAddress, endpoint),
    relayed: read(attributes.xorRelayedAddress, endpoint),
    lifetime: read(attributes.lifetime, seconds),
    username: read(attributes.username, String),
    realm: read(attributes.realm, String),
    nonce: read(attributes.nonce, String),
    error: read(attributes.errorCode, errorCode),
    isSignedWith(key) {
      const signature = found.get(attributes.messageIntegrity)
      if (signature?.length !== integrityBytes) return false
      // The length is that of a message which ends with the signature: RFC 8489 section 14.5.
      const signed = Buffer.from(bytes.subarray(0, signedBytes))
      signed.writeUInt16BE(signedBytes + 4 + integrityBytes - headerBytes, 2)
      return timingSafeEqual(createHmac('sha1', key).update(signed).digest(), signature)
    },
  }
}

function kindOf(bytes: Buffer): { method: Method; kind: Kind } {
  if (bytes.length < headerBytes || bytes.readUInt32BE(4) !== magicCookie) throw new MalformedStun('This is not STUN.')
  if (bytes.readUInt16BE(2) !== bytes.length - headerBytes) throw new MalformedStun('The length is wrong.')
  const type = bytes.readUInt16BE(0)
  const method = (Object.keys(methods) as Method[]).find(name => methods[name] === (type & ~0x0110))
  const kind = kinds[((type >> 4) & 1) | ((type >> 7) & 2)]
  if (!method || !kind) throw new MalformedStun('The method is unknown.')
  return { method, kind }
}

function* walk(bytes: Buffer): Generator<{ type: number; value: Buffer; start: number }> {
  for (let start = headerBytes; start < bytes.length; ) {
    if (start + 4 > bytes.length) throw new MalformedStun('An attribute is cut off.')
    const end = start + 4 + bytes.readUInt16BE(start + 2)
    if (end > bytes.length) throw new MalformedStun('An attribute is cut off.')
    yield { type: bytes.readUInt16BE(start), value: bytes.subarray(start + 4, end), start }
    start = end + (-end & 3)
  }
}

/** RFC 8489 section 14.2. @param mask magic cookie and transaction id */
function unmask(value: Buffer, mask: Buffer): Endpoint {
  const bytes = family(value)
  const port = value.readUInt16BE(2) ^ mask.readUInt16BE(0)
  const address = value.subarray(4).map((byte, i) => byte ^ (mask[i] ?? 0))
  return { ip: bytes === 4 ? [...address].join('.') : printIPv6(Buffer.from(address)), port }
}

function family(value: Buffer): 4 | 16 {
  if (value.length === 8 && value[1] === 1) return 4
  if (value.length === 20 && value[1] === 2) return 16
  throw new MalformedStun('An address has the wrong form.')
}

/** As a URL shows it, so with the longest row of zeros left out. */
function printIPv6(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function seconds(value: Buffer): number {
  if (value.length !== 4) throw new MalformedStun('A lifetime has the wrong form.')
  return value.readUInt32BE(0)
}

/** RFC 8489 section 14.8: the hundreds, the rest, and a reason for people. */
function errorCode(value: Buffer): { code: number; reason: string } {
  const [, , hundreds, rest] = value
  if (hundreds === undefined || rest === undefined) throw new MalformedStun('An error has no code.')
  return { code: (hundreds & 7) * 100 + rest, reason: value.toString('utf8', 4) }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
