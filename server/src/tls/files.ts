import { readFile, stat } from 'node:fs/promises'
import type { Config, Fault } from '../config.ts'
import { settings } from '../settings.ts'
import { type Certificate, faultOf, judge, type Reading } from './certificate.ts'

/** A pair of files, and what tells it from others: its contents, or why there are none. */
export interface PairOfFiles extends Reading {
  readonly contents: string
}

export type CertificateFiles = Pick<Config, 'tlsCert' | 'tlsKey'>

/** Bytes that a file may have: chains have some thousand. */
const mostBytes = 1_048_576

/**
 * Reads and judges the files of the settings. Never rejects.
 * @param now milliseconds since the epoch
 */
export async function readCertificate({ tlsCert, tlsKey }: CertificateFiles, now: number): Promise<PairOfFiles> {
  const [cert, key] = await Promise.all([read(settings.tlsCert, tlsCert), read(settings.tlsKey, tlsKey)])
  const unread = [cert, key].flatMap(({ fault }) => fault ?? [])
  if (unread.length > 0) {
    return { contents: unread.map(({ sentence }) => sentence).join(), faults: unread, warnings: [] }
  }
  const reading = judge(cert.text, key.text, now)
  const exposed = key.isForAll
    ? [faultOf(settings.tlsKey, `every user of this machine can read the key; run: chmod o= ${tlsKey}`)]
    : []
  return { ...reading, contents: `${cert.text}\0${key.text}`, warnings: [...reading.warnings, ...exposed] }
}

/** Whether the settings ask for TLS; where only one of the two is set, that is a fault of its own. */
export const asksForTls = ({ tlsCert, tlsKey }: CertificateFiles): boolean => tlsCert !== '' && tlsKey !== ''

interface Read {
  readonly text: string
  readonly isForAll: boolean
  readonly fault?: Fault
}

async function read(setting: { readonly variable: string }, path: string): Promise<Read> {
  const no = (what: string): Read => ({ text: '', isForAll: false, fault: faultOf(setting, what) })
  try {
    const stats = await stat(path)
    // A pipe could be read once only, and would make the server wait.
    if (!stats.isFile()) return no(`${path} is not a file`)
    if (stats.size > mostBytes) return no(`${path} is too big for a file in PEM form`)
    return { text: await readFile(path, 'utf8'), isForAll: (stats.mode & 0o004) !== 0 }
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ENOENT') return no(`there is no file ${path}`)
    if (code === 'EACCES') return no(`this user may not read ${path} (EACCES)`)
    return no(`${path} cannot be read (${code})`)
  }
}

/** In a few words, for people: for whom it is, and until when. */
export const describeCertificate = ({ names, expiresAt }: Certificate): string =>
  `certificate for ${names.join(', ') || 'nobody'}, until ${new Date(expiresAt).toISOString().slice(0, 10)}`
