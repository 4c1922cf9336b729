import { describe, expect } from 'bun:test'
import { needs, runs } from '../../../e2e/needs.ts'
import { Authority } from '../../test/authority.ts'
import { judge } from './certificate.ts'

const hasOpenssl = runs('openssl', 'version')
const withOpenssl = needs({ openssl: hasOpenssl })

const root = hasOpenssl ? Authority.root() : undefined
const names = ['DNS:parley.example', 'DNS:*.parley.example', 'IP:192.0.2.7']
const usual = root?.issue(names) ?? { cert: '', key: '' }
/** Later than all that the tests issue. */
const now = Date.now() + 3_600_000
const day = 86_400_000

/** The one sentence of what is wrong. */
function faultOf(cert: string, key: string, at = now): string {
  const { certificate, faults } = judge(cert, key, at)
  expect([certificate, faults.length]).toEqual([undefined, 1])
  return faults[0]?.sentence ?? ''
}

/** What is told of a pair that can be used. */
function doubtsAbout(cert: string, key: string, at = now): string[] {
  const { certificate, faults, warnings } = judge(cert, key, at)
  expect([certificate?.cert, faults]).toEqual([expect.stringContaining('-----BEGIN CERTIFICATE-----'), []])
  return warnings.map(({ sentence }) => sentence)
}

const issue = (...args: Parameters<Authority['issue']>) => root?.issue(...args) ?? usual
const openssl = (command: string[], input: string) =>
  Bun.spawnSync(['openssl', ...command], { stdin: Buffer.from(input) }).stdout.toString()

describe('a pair that can be used', () => {
  withOpenssl('is for the names in it, until its end', async () => {
    const { certificate, faults, warnings } = judge(usual.cert, usual.key, now)
    expect([faults, warnings]).toEqual([[], []])
    expect(certificate?.names).toEqual(['parley.example', '*.parley.example', '192.0.2.7'])
    expect((certificate?.expiresAt ?? 0) - now).toBeWithin(89 * day, 91 * day)
  })

  withOpenssl('may be one file with both, with words between, and of any usual kind of key', async () => {
    const whole = `${usual.key}\nsubject=server\n${usual.cert}`
    expect(doubtsAbout(whole, whole)).toEqual([])
    for (const algorithm of [['rsa:2048'], ['ed25519'], ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']]) {
      const { cert, key } = issue(names, { algorithm })
      expect(doubtsAbout(cert, key)).toEqual([])
    }
    // As `openssl ecparam -genkey` writes it.
    const old = openssl(['ec', '-param_out'], usual.key) + openssl(['ec'], usual.key)
    expect(doubtsAbout(usual.cert, old)).toEqual([])
  })

  withOpenssl('is served with its chain', async () => {
    const between = root?.intermediate()
    const { cert = '', key = '' } = between?.issue(names) ?? {}
    const chain = `${cert}${between?.cert}`
    expect(doubtsAbout(chain, key)).toEqual([])
    expect(judge(chain, key, now).certificate?.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  })
})

describe('what clients may object to is told', () => {
  withOpenssl('of an end that is near', async () => {
    expect(doubtsAbout(usual.cert, usual.key, now + 80 * day)).toEqual([
      expect.stringMatching(/^PARLEY_TLS_CERT: the certificate expires at \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$/),
    ])
  })

  withOpenssl('of a chain out of order, or with an end before its first', async () => {
    const between = root?.intermediate()
    const { cert = '', key = '' } = between?.issue(names) ?? {}
    expect(doubtsAbout(`${cert}${root?.cert}${between?.cert}`, key)).toEqual([
      expect.stringContaining('certificate 2 in the file is not that of the issuer of certificate 1'),
      expect.stringContaining('certificate 3 in the file is not that of the issuer of certificate 2'),
    ])
    const long = root?.issue(names, { days: 400 }) ?? usual
    const own = root?.cert ?? ''
    expect(doubtsAbout(`${long.cert}${own}`, long.key, now + 100 * day)).toEqual([
      expect.stringContaining('certificate 2 in the file has expired'),
    ])
  })

  withOpenssl('of a certificate that a public authority has issued, without its chain', async () => {
    const { cert, key } = issue(names, {
      extensions: ['authorityInfoAccess=caIssuers;URI:http://ca.example/intermediate.der'],
    })
    expect(doubtsAbout(cert, key)).toEqual([expect.stringContaining('use the full chain (certbot: fullchain.pem)')])
  })

  withOpenssl('of one without names, of one for clients, and of a short key', async () => {
    const nameless = issue([])
    expect(doubtsAbout(nameless.cert, nameless.key)).toEqual([expect.stringContaining('names no host')])
    const client = issue(names, { extensions: ['extendedKeyUsage=clientAuth'] })
    expect(doubtsAbout(client.cert, client.key)).toEqual([expect.stringContaining('is not meant for servers')])
    const server = issue(names, { extensions: ['extendedKeyUsage=clientAuth,serverAuth'] })
    expect(doubtsAbout(server.cert, server.key)).toEqual([])
    const short = issue(names, { algorithm: ['rsa:1024'] })
    expect(doubtsAbout(short.cert, short.key)).toEqual([expect.stringContaining('less than 2048 bits')])
  })
})

describe('a pair that cannot be used is refused', () => {
  withOpenssl('because a file has something else in it', async () => {
    expect(faultOf('', usual.key)).toStartWith('PARLEY_TLS_CERT: the file has no certificate in PEM form')
    expect(faultOf(usual.key, usual.cert)).toEndWith('there is a private key in it: it is for PARLEY_TLS_KEY.')
    expect(faultOf(usual.cert, usual.cert)).toStartWith('PARLEY_TLS_KEY: the file has no private key in PEM form')
    const damaged = usual.cert.replace(/\n[\w+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA')
    expect(faultOf(`${usual.cert}${damaged}`, usual.key)).toBe('PARLEY_TLS_CERT: certificate 2 in the file is damaged.')
    expect(faultOf(usual.cert, usual.key.replace(/\n[\w+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA'))).toContain('is damaged')
  })

  withOpenssl('because the key needs a passphrase, in either form', async () => {
    const passphrase = ['-passout', 'pass:secret']
    for (const encrypted of [
      openssl(['pkcs8', '-topk8', ...passphrase], usual.key),
      openssl(['ec', '-aes256', ...passphrase], usual.key),
    ]) {
      expect(encrypted).toContain('ENCRYPTED')
      expect(faultOf(usual.cert, encrypted)).toStartWith('PARLEY_TLS_KEY: the private key needs a passphrase')
    }
  })

  withOpenssl('because the two do not belong together, or the certificate is not the first', async () => {
    const other = issue(names)
    expect(faultOf(usual.cert, other.key)).toBe(
      'PARLEY_TLS_KEY: the private key does not belong to the certificate of PARLEY_TLS_CERT.',
    )
    expect(faultOf(`${root?.cert}${usual.cert}`, usual.key)).toBe(
      "PARLEY_TLS_CERT: the server's own certificate must be the first in the file, but it is number 2.",
    )
  })

  withOpenssl('because its time has passed, or has not come', async () => {
    expect(faultOf(usual.cert, usual.key, now + 91 * day)).toMatch(/the certificate has expired at .* UTC; renew it\.$/)
    expect(faultOf(usual.cert, usual.key, now - day)).toMatch(
      /is not valid before .* the clock of this machine is slow/,
    )
  })

  withOpenssl('without a word of the key', async () => {
    const secret = usual.key.split('\n')[1] ?? ''
    expect(secret.length).toBeGreaterThan(40)
    const told = [judge(usual.cert, `${usual.key}`.replace('EC', ''), now), judge('', usual.key, now)]
    const other = issue(names)
    told.push(judge(other.cert, usual.key, now), judge(usual.key, usual.key, now))
    expect(JSON.stringify(told.map(({ faults, warnings }) => [faults, warnings]))).not.toContain(secret)
  })
})
