import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its private key, in PEM form. */
export interface Issued {
  readonly cert: string
  readonly key: string
}

export interface IssueOptions {
  /** Of openssl's `-newkey`. */
  readonly algorithm?: readonly string[]
  readonly days?: number
  /** Of openssl's `-addext`. */
  readonly extensions?: readonly string[]
}

const elliptic = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
/** Without what the machine's own configuration would add. */
const configuration = '[req]\ndistinguished_name=name\n[name]\n'

/** A certificate authority of a test's own, made with `openssl`. */
export class Authority {
  private constructor(private readonly own: Issued) {}

  /** Its certificate, in PEM form. */
  get cert(): string {
    return this.own.cert
  }

  static root(name = 'Test root'): Authority {
    return new Authority(make(name, undefined, { extensions: ['basicConstraints=critical,CA:TRUE'] }))
  }

  /** An authority whose certificate this one signs. */
  intermediate(name = 'Test intermediate'): Authority {
    return new Authority(make(name, this.own, { extensions: ['basicConstraints=critical,CA:TRUE'] }))
  }

  /** A certificate for a server. Its names are as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  issue(names: readonly string[], { extensions = [], ...options }: IssueOptions = {}): Issued {
    const named = names.length > 0 ? [`subjectAltName=${names.join()}`] : []
    return make('server', this.own, { ...options, extensions: [...named, ...extensions] })
  }
}

function make(name: string, issuer: Issued | undefined, options: IssueOptions): Issued {
  const { algorithm = elliptic, days = 90, extensions = [] } = options
  const folder = mkdtempSync(join(tmpdir(), 'parley-authority-'))
  const at = (file: string, text?: string) => {
    const path = join(folder, file)
    if (text !== undefined) writeFileSync(path, text)
    return path
  }
  try {
    const signed = issuer ? ['-CA', at('ca', issuer.cert), '-CAkey', at('ca-key', issuer.key)] : []
    const { success, stderr } = Bun.spawnSync([
      ...['openssl', 'req', '-x509', '-config', at('config', configuration), '-newkey', ...algorithm, '-nodes'],
      ...['-subj', `/CN=${name}`, '-days', String(days), '-keyout', at('key'), '-out', at('cert'), ...signed],
      ...extensions.flatMap(extension => ['-addext', extension]),
    ])
    if (!success) throw new Error(`openssl said: ${stderr}`)
    return { cert: readFileSync(at('cert'), 'utf8'), key: readFileSync(at('key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
