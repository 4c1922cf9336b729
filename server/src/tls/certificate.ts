import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Fault } from '../config.ts'
import { settings } from '../settings.ts'

/** What the server proves with that it is the one that its clients look for. */
export interface Certificate {
  /** PEM: its own certificate, then those of its issuers. */
  readonly cert: string
  /** PEM. It stays in memory: no log and no output has it. */
  readonly key: string
  /** The DNS names and IP addresses that it is for. */
  readonly names: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** A pair of files as it was found. Without a certificate it cannot be used, and the faults say why. */
export interface Reading {
  readonly certificate?: Certificate
  readonly faults: readonly Fault[]
  /** What clients may object to. */
  readonly warnings: readonly Fault[]
}

const day = 86_400_000
/** How long before its end an operator is to hear of it. Milliseconds. */
export const expiresSoon = 14 * day

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g
const keyBlock = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/
/** RFC 5280 section 4.2.1.12: for TLS servers, and for anything. */
const forServers = ['1.3.6.1.5.5.7.3.1', '2.5.29.37.0']

/** Judges the contents of the two files. @param now milliseconds since the epoch */
export function judge(certText: string, keyText: string, now: number): Reading {
  try {
    const chain = readChain(certText)
    const { key, pem } = readKey(keyText)
    const own = ownOf(chain, key)
    expectValid(own, now)
    const cert = chain.map(certificate => certificate.toString().trim()).join('\n')
    expectTaken(cert, pem)
    const certificate = { cert, key: pem, names: namesOf(own), expiresAt: Date.parse(own.validTo) }
    const warnings = [...doubts(own, chain, now)].map(what => faultOf(settings.tlsCert, what))
    return { certificate, faults: [], warnings }
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    return { faults: [faultOf(error.setting, error.message)], warnings: [] }
  }
}

export const faultOf = ({ variable }: { readonly variable: string }, what: string): Fault => ({
  variable,
  sentence: `${variable}: ${what}.`,
})

/** The pair cannot be used; the message says why, and goes on from the name of the setting. */
class Unusable extends Error {
  constructor(
    readonly setting: { readonly variable: string },
    message: string,
  ) {
    super(message)
  }
}

function readChain(text: string): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(certificateBlock) ?? []
  const [first, ...rest] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new Unusable(settings.tlsCert, `certificate ${index + 1} in the file is damaged`)
    }
  })
  if (first) return [first, ...rest]
  const isKey = keyBlock.test(text) ? `; there is a private key in it: it is for ${settings.tlsKey.variable}` : ''
  const form = 'the file has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----'
  throw new Unusable(settings.tlsCert, `${form}${isKey}`)
}

function readKey(text: string): { key: KeyObject; pem: string } {
  const [pem = '', label = ''] = keyBlock.exec(text) ?? []
  if (pem === '') {
    throw new Unusable(
      settings.tlsKey,
      'the file has no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----',
    )
  }
  if (label.startsWith('ENCRYPTED') || pem.includes('Proc-Type: 4,ENCRYPTED')) {
    const how = 'decrypt it: openssl pkey -in FILE -out NEW_FILE'
    throw new Unusable(settings.tlsKey, `the private key needs a passphrase, and nobody is there to type it; ${how}`)
  }
  try {
    return { key: createPrivateKey(pem), pem }
  } catch {
    throw new Unusable(settings.tlsKey, 'the private key in the file is damaged, or of a kind that TLS does not have')
  }
}

/** The server's own certificate, which must come first (RFC 8446 section 4.4.2). */
function ownOf(chain: readonly [X509Certificate, ...X509Certificate[]], key: KeyObject): X509Certificate {
  const index = chain.findIndex(certificate => certificate.checkPrivateKey(key))
  if (index === 0) return chain[0]
  if (index > 0) {
    const what = `the server's own certificate must be the first in the file, but it is number ${index + 1}`
    throw new Unusable(settings.tlsCert, what)
  }
  throw new Unusable(
    settings.tlsKey,
    `the private key does not belong to the certificate of ${settings.tlsCert.variable}`,
  )
}

const dateOf = (text: string): string => new Date(text).toISOString().slice(0, 16).replace('T', ' ')

function expectValid({ validFrom, validTo }: X509Certificate, now: number): void {
  if (Date.parse(validTo) <= now) {
    throw new Unusable(settings.tlsCert, `the certificate has expired at ${dateOf(validTo)} UTC; renew it`)
  }
  if (Date.parse(validFrom) > now) {
    const clock = 'if that has passed, the clock of this machine is slow'
    throw new Unusable(settings.tlsCert, `the certificate is not valid before ${dateOf(validFrom)} UTC; ${clock}`)
  }
}

/** The library that serves it has the last word. */
function expectTaken(cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const { code } = error as { code?: unknown }
    throw new Unusable(settings.tlsCert, `the TLS library does not take the certificate and its key (${code})`)
  }
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(([, name = '']) => name)
}

/** What is no reason to stay down, but may keep clients away, now or soon. */
function* doubts(own: X509Certificate, chain: readonly X509Certificate[], now: number): Generator<string> {
  if (Date.parse(own.validTo) - now < expiresSoon) yield `the certificate expires at ${dateOf(own.validTo)} UTC`
  for (const [index, certificate] of chain.entries()) {
    const next = chain[index + 1]
    if (next && !certificate.checkIssued(next)) {
      yield `certificate ${index + 2} in the file is not that of the issuer of certificate ${index + 1}; some clients need this order`
    }
    if (index > 0 && Date.parse(certificate.validTo) <= now) yield `certificate ${index + 1} in the file has expired`
  }
  // Public authorities say where the next one is, as they never sign with their root.
  if (chain.length === 1 && !own.checkIssued(own) && own.infoAccess?.includes('CA Issuers')) {
    yield 'the file has no certificate of an issuer, so that many clients will not trust it; use the full chain (certbot: fullchain.pem)'
  }
  if (namesOf(own).length === 0)
    yield 'the certificate names no host (subjectAltName), so that clients will not trust it'
  if (own.keyUsage && !own.keyUsage.some(usage => forServers.includes(usage))) {
    yield 'the certificate is not meant for servers (extendedKeyUsage), so that clients will not trust it'
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = own.publicKey
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
    yield 'the key has less than 2048 bits, so that many clients will not trust it'
  }
}
