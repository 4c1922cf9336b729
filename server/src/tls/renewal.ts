import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { type Certificate, expiresSoon } from './certificate.ts'
import type { PairOfFiles } from './files.ts'

export interface RenewalParts {
  readonly clock: Clock
  readonly log: Log
  /** Reads the files as they are now. Never rejects. */
  read(): Promise<PairOfFiles>
  /** Has new connections served with it. @throws Error; then the one before stays in force */
  take(certificate: Certificate): void
}

/** Milliseconds between two looks at the files. */
const looksEvery = 5_000

/**
 * Takes a new certificate when the files change. Their contents are compared: certbot and Kubernetes put other files in
 * their place, whose times may be older. A pair that cannot be used is complained of once, when it has been found
 * twice: somebody who replaces two files may be between the two.
 * @param first the pair in force
 * @returns what looks at once, for a signal; it resolves when that is done, and never rejects
 */
export function renewCertificate(first: PairOfFiles & { readonly certificate: Certificate }, parts: RenewalParts) {
  const { clock, log, read, take } = parts
  let inForce = first
  let lastSeen = first.contents
  let complainedOf: string | undefined
  /** How near its end operators have been told that the one in force is; it was told at the start, too. */
  let told = distance(first.certificate)
  let looking: Promise<void> | undefined

  function distance({ expiresAt }: Certificate): 'far' | 'soon' | 'over' {
    if (expiresAt <= clock.now()) return 'over'
    return expiresAt - clock.now() < expiresSoon ? 'soon' : 'far'
  }

  async function look(): Promise<void> {
    const found = await read()
    const { certificate, contents, faults, warnings } = found
    if (contents === inForce.contents) complainedOf = undefined
    else if (!certificate) complain(contents, faults)
    else {
      try {
        take(certificate)
        inForce = { ...found, certificate }
        told = distance(certificate)
        complainedOf = undefined
        log.info({ names: certificate.names, expires: new Date(certificate.expiresAt) }, 'TLS certificate renewed')
        for (const { variable, sentence } of warnings) log.warn({ setting: variable }, sentence)
      } catch (error) {
        complain(contents, [{ sentence: String(error) }])
      }
    }
    lastSeen = contents
    remind(inForce.certificate)
  }

  function complain(contents: string, faults: PairOfFiles['faults']): void {
    if (contents !== lastSeen || contents === complainedOf) return
    complainedOf = contents
    const why = faults.map(({ sentence }) => sentence).join(' ')
    log.error({ why }, 'new TLS certificate not taken; the one before stays in force')
  }

  function remind(certificate: Certificate): void {
    const now = distance(certificate)
    if (now === told) return
    told = now
    const expires = new Date(certificate.expiresAt)
    if (now === 'over') log.error({ expires }, 'the TLS certificate has expired; clients no longer trust it')
    else if (now === 'soon') log.warn({ expires }, 'the TLS certificate expires soon')
  }

  /** One at a time: who asks meanwhile has the same outcome. */
  function lookNow(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }

  const lookAgain = () => void lookNow().finally(() => clock.after(looksEvery, lookAgain))
  clock.after(looksEvery, lookAgain)
  return lookNow
}
