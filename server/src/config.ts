import { limits } from '@parley/protocol'
import { z } from 'zod'
import { trustedProxies } from './address.ts'
import { logLevels } from './log.ts'

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine(value => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })

const list = z.string().transform(text =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)

const originList = list.refine(
  origins => origins.every(origin => origin === '*' || isOrigin(origin)),
  'must be origins such as https://app.example.com, separated by commas, or *',
)

const proxyList = list.transform((entries, context) => {
  try {
    return trustedProxies(entries)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `must be addresses or networks: ${(error as Error).message}` })
    return z.NEVER
  }
})

function isOrigin(text: string): boolean {
  try {
    return new URL(text).origin === text
  } catch {
    return false
  }
}

/** One environment variable: how it is read, what it is without being set, and what it means. */
interface Setting<T> {
  readonly variable: string
  readonly schema: z.ZodType<T, string>
  readonly fallback: string
  readonly meaning: string
}

const setting = <T>(variable: string, schema: z.ZodType<T, string>, fallback: string, meaning: string): Setting<T> => ({
  variable,
  schema,
  fallback,
  meaning,
})

const port = whole(0, 65_535)
const count = whole(1, 1_000_000)

/** Every setting, in the order in which docs/configuration.md lists them. */
export const settings = {
  host: setting(
    'PARLEY_HOST',
    z.string().min(1, 'must not be empty'),
    '127.0.0.1',
    'Address to listen on. `0.0.0.0` or `::` makes the server reachable from other machines.',
  ),
  httpPort: setting('PARLEY_HTTP_PORT', port, '8001', 'Port of the HTTP API; 0 takes a free one.'),
  wsPort: setting('PARLEY_WS_PORT', port, '8080', 'Port of the WebSocket server; 0 takes a free one.'),
  dataDir: setting(
    'PARLEY_DATA_DIR',
    z.string().min(1, 'must not be empty'),
    'data',
    'Folder of the signing key and the room database; made if it is missing.',
  ),
  logLevel: setting(
    'PARLEY_LOG_LEVEL',
    oneOf(logLevels),
    'info',
    `Least level that is logged: ${logLevels.map(level => `\`${level}\``).join(', ')}. The log goes to standard error, one JSON object a line.`,
  ),
  origins: setting(
    'PARLEY_ALLOWED_ORIGINS',
    originList,
    '',
    'Origins whose web pages may use the server, separated by commas, or `*`. Empty: no page may call the HTTP API (there is no CORS header), and the WebSocket does not look at the origin.',
  ),
  proxies: setting(
    'PARLEY_TRUSTED_PROXIES',
    proxyList,
    '',
    'Addresses and networks of reverse proxies, separated by commas, whose `X-Forwarded-For` is believed. Set it behind a proxy: otherwise all peers seem to share its address.',
  ),
  deleteByAddress: setting(
    'PARLEY_DELETE_BY_ADDRESS',
    oneOf(['on', 'off']),
    'on',
    'Whether a room may be deleted from the network address of one of its peers without further proof, as deployed clients need it. `off` where strangers share an address.',
  ),
  plainPeerErrors: setting(
    'PARLEY_PLAIN_PEER_ERRORS',
    oneOf(['all', 'register']),
    'all',
    '`register`: peers that ask for no features are sent errors about `register` only. For fleets of v1 workers, which end at any `error`.',
  ),
  roomTtl: setting(
    'PARLEY_ROOM_TTL_SECONDS',
    whole(1, 1_209_600),
    '7200',
    'Life of a room whose creator does not say.',
  ),
  maxRoomTtl: setting(
    'PARLEY_MAX_ROOM_TTL_SECONDS',
    whole(1, 1_209_600),
    '86400',
    'Longest life that a creator may ask for.',
  ),
  idTokenTtl: setting('PARLEY_ID_TOKEN_TTL_SECONDS', whole(60, 86_400), '3600', 'Life of an ID token.'),
  messageBytes: setting(
    'PARLEY_MAX_MESSAGE_BYTES',
    whole(1024, 16_777_216),
    String(limits.messageBytes),
    'Bytes of one WebSocket message; a bigger one closes its connection with 1009.',
  ),
  unregisteredMessageBytes: setting(
    'PARLEY_MAX_UNREGISTERED_MESSAGE_BYTES',
    whole(1024, 16_777_216),
    String(limits.unregisteredMessageBytes),
    'The same before the connection has registered. Four times as much may wait for the answer to a `register`.',
  ),
  queueBytes: setting(
    'PARLEY_MAX_QUEUE_BYTES',
    whole(65_536, 268_435_456),
    '4194304',
    'Bytes that may wait for a peer that reads too slowly; what is sent to it beyond that is answered with `DELIVERY_FAILED`.',
  ),
  registerWithin: setting(
    'PARLEY_REGISTER_TIMEOUT_SECONDS',
    whole(1, 3600),
    '10',
    'Time within which a connection must register, or be closed with 4408.',
  ),
  deadAfter: setting(
    'PARLEY_DEAD_AFTER_SECONDS',
    whole(4, 900),
    '45',
    'A connection without a sign of life for this long, answers to pings included, is given up.',
  ),
  peersPerRoom: setting('PARLEY_MAX_PEERS_PER_ROOM', count, '1000', 'Peers in one room.'),
  peersPerIdentity: setting('PARLEY_MAX_PEERS_PER_IDENTITY', count, '1000', 'Registered peers of one identity.'),
  roomsPerIdentity: setting('PARLEY_MAX_ROOMS_PER_IDENTITY', count, '100', 'Live rooms of one identity.'),
  peerIdLength: setting(
    'PARLEY_MAX_PEER_ID_LENGTH',
    whole(1, limits.echoLength),
    String(limits.peerIdLength),
    'Characters of a `peer_id`.',
  ),
  signInsPerMinute: setting(
    'PARLEY_SIGN_INS_PER_MINUTE',
    count,
    '120',
    'Sign-ins from one network address (of IPv6: from one /64 network).',
  ),
  failedRegistrationsPerMinute: setting(
    'PARLEY_FAILED_REGISTRATIONS_PER_MINUTE',
    count,
    '120',
    'Registrations with wrong tokens or rooms from one network address.',
  ),
  errorsPerMinute: setting(
    'PARLEY_ERRORS_PER_MINUTE',
    count,
    '600',
    'Faulty messages of one connection; beyond it they are answered with `RATE_LIMITED`, beyond twice as many the connection is closed with 4429.',
  ),
} as const

/** Names that the original's container used and that this version does not act on yet; better refused than ignored. */
const notYet = [
  'COGNITO_REGION',
  'COGNITO_USER_POOL_ID',
  'COGNITO_APP_CLIENT_ID',
  'TURN_HOST',
  'TURN_PORT',
  'TURN_USERNAME',
  'TURN_PASSWORD',
]

export type Config = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> }

export interface Fault {
  /** The setting at fault; undefined if it is something else. */
  readonly variable?: string
  readonly sentence: string
}

/**
 * Reads the settings from environment variables. A variable that is empty counts as not set.
 * @returns the settings, where a faulty one has its default, and every fault: start only if there is none
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): {
  config: Config
  faults: Fault[]
} {
  const faults: Fault[] = []
  const known = new Set<string>(Object.values(settings).map(({ variable }) => variable))
  for (const variable of Object.keys(environment)) {
    if (variable.startsWith('PARLEY_') && !known.has(variable)) {
      const near = closest(variable, known)
      faults.push({ variable, sentence: `${variable} is not a setting${near ? `; is ${near} meant?` : '.'}` })
    }
    if (notYet.includes(variable) && environment[variable]) {
      faults.push({ variable, sentence: `${variable} is set, but this version has no Cognito and no TURN; unset it.` })
    }
  }
  const values = Object.entries(settings).map(([name, { variable, schema, fallback }]) => {
    const given = environment[variable] || fallback
    const result = schema.safeParse(given)
    if (result.success) return [name, result.data]
    faults.push({
      variable,
      sentence: `${variable} ${result.error.issues[0]?.message}, but is ${JSON.stringify(given)}.`,
    })
    return [name, schema.parse(fallback)]
  })
  const config = Object.freeze(Object.fromEntries(values)) as Config
  if (config.roomTtl > config.maxRoomTtl) {
    const { variable } = settings.roomTtl
    faults.push({
      variable,
      sentence: `${variable} must not exceed ${settings.maxRoomTtl.variable} (${config.maxRoomTtl}).`,
    })
  }
  if (config.httpPort === config.wsPort && config.httpPort !== 0) {
    const { variable } = settings.wsPort
    faults.push({
      variable,
      sentence: `${variable} must differ from ${settings.httpPort.variable} (${config.httpPort}).`,
    })
  }
  return { config, faults }
}

/** The known name that differs least, if it is near enough to be a slip. */
function closest(name: string, known: ReadonlySet<string>): string | undefined {
  const [best] = [...known]
    .map(other => ({ other, distance: distance(name, other) }))
    .sort((a, b) => a.distance - b.distance)
  return best && best.distance <= 2 ? best.other : undefined
}

/** Levenshtein distance: insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
