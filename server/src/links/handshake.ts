import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * How two nodes make sure of each other, in four frames: the caller's hello, the answerer's challenge, and a proof of each,
 * the caller's first, so that a stranger is given nothing but a nonce. The form of these frames is the same in all versions
 * of the link protocol, so that nodes whose versions do not meet find that out from each other, proved.
 */
export const handshakeTypes = { hello: 1, challenge: 2, proof: 3, refused: 4 } as const

/** Bytes of the longest body in a handshake. */
export const longestHandshakeBody = 256

/** Versions of the link protocol that a node speaks. */
export interface Versions {
  readonly oldest: number
  readonly newest: number
}

/** Of this program: the present one, and the one before once there is one. */
export const versions: Versions = { oldest: 1, newest: 1 }

/** What a connection is for: to become a link, or to learn whether the node is there. */
export type Purpose = 'link' | 'question'

export interface Credentials {
  readonly id: string
  readonly versions: Versions
  /** The first is used, any is accepted. Those of fewer than 16 characters protect nothing and count as none. */
  secrets(): readonly string[]
}

/** The other side has proved that it is this node. */
export interface Agreed {
  readonly nodeId: string
  /** Undefined if no version is spoken by both. */
  readonly version: number | undefined
  readonly theirVersions: Versions
  readonly purpose: Purpose
}

export interface Message {
  readonly type: number
  readonly body: Buffer
}

/** What follows from a frame: `answer` is sent first; with `fault` the connection ends, with `agreed` the handshake. */
export interface Step {
  readonly answer?: Message
  readonly agreed?: Agreed
  /** Why it ends, in words of this program; nothing that the other side has written stands in it. */
  readonly fault?: string
}

/** One side of a handshake. It takes values and does no I/O. */
export interface Handshake {
  /** Never throws, whatever comes. Not to be called after a fault or an agreement. */
  receive(type: number, handle: number, body: Buffer): Step
}

const form = 1
const nonceBytes = 32
const proofBytes = 32
const leastSecret = 16
const purposes: readonly Purpose[] = ['link', 'question']
/** An id is logged, so it has nothing in it that could be read as anything else. */
const nodeIdForm = /^[\w.-]{1,64}$/

const unexpected: Step = { fault: 'an unexpected frame in the handshake' }
const malformed: Step = { fault: 'a malformed handshake' }
const refusal: Message = { type: handshakeTypes.refused, body: Buffer.alloc(0) }
const noProof = 'it does not know a secret that this node accepts'

/** @throws RangeError when an id is none, as only this program's own mistake could have it */
export function callerHandshake(
  self: Credentials,
  meant: string,
  purpose: Purpose,
): Handshake & { readonly first: Message } {
  if (!nodeIdForm.test(self.id) || !nodeIdForm.test(meant)) throw new RangeError('The id of a node has another form.')
  const start = [form, purposes.indexOf(purpose), self.versions.oldest, self.versions.newest]
  const hello = Buffer.concat([Buffer.from(start), randomBytes(nonceBytes), idBytes(self.id), idBytes(meant)])
  const secret = usable(self)[0]
  let challenge: { readonly body: Buffer; readonly versions: Versions } | undefined

  function challenged(body: Buffer): Step {
    const read = readChallenge(body)
    if (!read) return malformed
    if (read.id !== meant) return { fault: 'another node answers at this address' }
    if (secret === undefined) return { fault: 'this node has no secret yet' }
    challenge = { body: Buffer.from(body), versions: read.versions }
    return { answer: { type: handshakeTypes.proof, body: proof(secret, 'caller', hello, body) } }
  }

  return {
    first: { type: handshakeTypes.hello, body: hello },
    receive(type, handle, body) {
      if (handle !== 0) return unexpected
      if (type === handshakeTypes.challenge && !challenge) return challenged(body)
      if (!challenge || secret === undefined) return unexpected
      if (type === handshakeTypes.refused && body.length === 0) {
        return { fault: 'it does not accept the secret of this node' }
      }
      if (type !== handshakeTypes.proof) return unexpected
      if (!isProof(body, proof(secret, 'answerer', hello, challenge.body))) return { fault: noProof }
      return { agreed: agreed(meant, self.versions, challenge.versions, purpose) }
    },
  }
}

export function answererHandshake(self: Credentials): Handshake {
  let greeted: { readonly hello: Buffer; readonly challenge: Buffer } & Hello

  function greet(body: Buffer): Step {
    const hello = readHello(body)
    if (!hello) return malformed
    if (hello.id === self.id) return { fault: 'it bears the id of this node' }
    const { oldest, newest } = self.versions
    const challenge = Buffer.concat([Buffer.from([form, oldest, newest]), randomBytes(nonceBytes), idBytes(self.id)])
    // The caller learns from it, too, that it has reached another node.
    const answer = { type: handshakeTypes.challenge, body: challenge }
    if (hello.meant !== self.id) return { answer, fault: 'it means another node' }
    greeted = { hello: Buffer.from(body), challenge, ...hello }
    return { answer }
  }

  return {
    receive(type, handle, body) {
      if (handle !== 0) return unexpected
      if (!greeted) return type === handshakeTypes.hello ? greet(body) : unexpected
      if (type !== handshakeTypes.proof) return unexpected
      const { hello, challenge } = greeted
      let known: string | undefined
      // All are compared, so that the time tells nothing of which it was.
      for (const secret of usable(self)) {
        if (isProof(body, proof(secret, 'caller', hello, challenge))) known ??= secret
      }
      if (known === undefined) return { answer: refusal, fault: noProof }
      // With the same secret, which the caller has for certain.
      const answer = { type: handshakeTypes.proof, body: proof(known, 'answerer', hello, challenge) }
      return { answer, agreed: agreed(greeted.id, self.versions, greeted.versions, greeted.purpose) }
    },
  }
}

interface Hello {
  readonly id: string
  readonly meant: string
  readonly versions: Versions
  readonly purpose: Purpose
}

function readHello(body: Buffer): Hello | undefined {
  const purpose = purposes[body[1] ?? -1]
  const versions = readVersions(body, 2)
  const id = readId(body, 4 + nonceBytes)
  const meant = id === undefined ? undefined : readId(body, 5 + nonceBytes + id.length)
  if (body[0] !== form || !purpose || !versions || id === undefined || meant === undefined) return
  if (body.length !== 6 + nonceBytes + id.length + meant.length) return
  return { id, meant, versions, purpose }
}

function readChallenge(body: Buffer): { readonly id: string; readonly versions: Versions } | undefined {
  const versions = readVersions(body, 1)
  const id = readId(body, 3 + nonceBytes)
  if (body[0] !== form || !versions || id === undefined || body.length !== 4 + nonceBytes + id.length) return
  return { id, versions }
}

function readVersions(body: Buffer, at: number): Versions | undefined {
  const [oldest, newest] = [body[at], body[at + 1]]
  if (oldest === undefined || newest === undefined || oldest > newest) return
  return { oldest, newest }
}

const idBytes = (id: string): Buffer => Buffer.from([id.length, ...Buffer.from(id)])

function readId(body: Buffer, at: number): string | undefined {
  const id = body.toString('latin1', at + 1, at + 1 + (body[at] ?? 0))
  return id.length === body[at] && nodeIdForm.test(id) ? id : undefined
}

const usable = (self: Credentials): readonly string[] => self.secrets().filter(secret => secret.length >= leastSecret)

/** Over all that both have said: nonces, ids, versions and purpose; and over who proves, so that nothing can be sent back. */
function proof(secret: string, by: 'caller' | 'answerer', hello: Buffer, challenge: Buffer): Buffer {
  const mac = createHmac('sha256', secret).update(`parley link ${by}\n`)
  for (const part of [hello, challenge]) mac.update(Buffer.from([part.length])).update(part)
  return mac.digest()
}

const isProof = (body: Buffer, expected: Buffer): boolean =>
  body.length === proofBytes && timingSafeEqual(body, expected)

function agreed(nodeId: string, ours: Versions, theirVersions: Versions, purpose: Purpose): Agreed {
  const version = Math.min(ours.newest, theirVersions.newest)
  const isSpoken = version >= Math.max(ours.oldest, theirVersions.oldest)
  return { nodeId, version: isSpoken ? version : undefined, theirVersions, purpose }
}
