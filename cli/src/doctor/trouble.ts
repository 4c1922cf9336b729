export interface TroubleOptions extends ErrorOptions {
  /** Tells it from others, for scripts. It is stable. */
  readonly code?: string
}

/** What a check ends with in place of a finding. The message and the advice are sentences for people. */
abstract class Outcome extends Error {
  readonly code: string | undefined

  constructor(
    message: string,
    readonly advice?: string,
    options?: TroubleOptions,
  ) {
    super(message, options)
    this.code = options?.code
  }
}

/** Something that does not work. */
export class Trouble extends Outcome {
  override readonly name: string = 'Trouble'
}

/** This cannot be tried from here, which says nothing about the server. With a code, it should have been tried. */
export class Skip extends Outcome {
  override readonly name = 'Skip'
}

/** Why there is no connection. */
export type Obstacle = 'name' | 'refused' | 'route' | 'silent' | 'closed' | 'certificate' | 'tls'

/** Codes of Node's errors; Bun has the same ones. */
const obstacles: { readonly [code: string]: Obstacle } = {
  ENOTFOUND: 'name',
  ENODATA: 'name',
  EAI_AGAIN: 'name',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'route',
  ENETUNREACH: 'route',
  EADDRNOTAVAIL: 'route',
  EACCES: 'route',
  EPERM: 'route',
  ETIMEDOUT: 'silent',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  CERT_HAS_EXPIRED: 'certificate',
  CERT_NOT_YET_VALID: 'certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate',
  EPROTO: 'tls',
}

const certificateFaults: { readonly [code: string]: string } = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet, or the clock of this machine is slow',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'nobody whom this machine trusts has signed it',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
}

const advice: { readonly [O in Obstacle]: string } = {
  name: 'Check how the name is spelt, its DNS record, and the name server of this machine.',
  refused: 'Check that it runs, that the port is right, and that it listens on more than loopback.',
  route: 'Check the network and the firewall of this machine.',
  silent: 'A firewall on the way may drop it: open the port there, and in the security group of the server.',
  closed: 'Something in between, or the server itself, closes the connection: look into its log.',
  certificate: 'Give the server a certificate for this name, with its whole chain, from an authority that is trusted.',
  tls: 'Either the server needs TLS on this port, or the address must begin with http, ws, stun or turn, without the s.',
}

/** The code of a system error, wherever `fetch` has put it. */
export function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  return cause === undefined ? '' : codeOf(cause)
}

/**
 * Says why nothing can be reached at `place`. What says so itself stays as it is.
 * @param own advice that knows more about it
 */
export function noConnection(error: unknown, place: string, own: { readonly [O in Obstacle]?: string } = {}): Error {
  if (error instanceof Trouble || error instanceof Skip) return error
  const code = codeOf(error)
  const obstacle = obstacles[code] ?? (code.startsWith('ERR_SSL') ? 'tls' : undefined)
  if (!obstacle) return new Trouble(`There is no connection to ${place} (${code || 'no reason is known'}).`)
  return new Trouble(sentence(obstacle, place, code), own[obstacle] ?? advice[obstacle], { cause: error })
}

/** `place` does not answer at all. */
export const silence = (place: string, own?: string): Trouble =>
  new Trouble(sentence('silent', place, ''), own ?? advice.silent)

function sentence(obstacle: Obstacle, place: string, code: string): string {
  switch (obstacle) {
    case 'name':
      return code === 'EAI_AGAIN' ? `No name server answers for ${place}.` : `The host of ${place} has no address.`
    case 'refused':
      return `${place} refuses the connection.`
    case 'route':
      return `There is no way from here to ${place} (${code}).`
    case 'silent':
      return `${place} does not answer.`
    case 'closed':
      return `${place} closes the connection without an answer.`
    case 'certificate':
      return `The certificate of ${place} is not trusted: ${certificateFaults[code] ?? 'its chain is not complete'}.`
    case 'tls':
      return `There is no TLS with ${place}: it speaks something else, or other versions.`
    default:
      return obstacle satisfies never
  }
}

/** What a server says, fit for a line in a terminal: without control characters, and not for ever. */
export function printable(text: string): string {
  const line = text.replace(/[\p{C}\s]+/gu, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}
