import { limits } from '@parley/protocol'
import { z } from 'zod'
import { hostInUrl, list, oneOf, originList, proxyList, stunUrlList, turnUrlList, whole } from './formats.ts'
import { logLevels } from './log.ts'
import { closest } from './misspelling.ts'

/** One environment variable: how it is read, what it is without being set, and what it means. */
interface Setting<T> {
  readonly variable: string
  readonly schema: z.ZodType<T, string>
  readonly fallback: string
  readonly meaning: string
  /** Its value is told to nobody, not even to say what is wrong with it. */
  readonly isSecret: boolean
}

const setting = <T>(
  variable: string,
  schema: z.ZodType<T, string>,
  fallback: string,
  meaning: string,
  isSecret = false,
): Setting<T> => ({ variable, schema, fallback, meaning, isSecret })

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
  refreshTokenTtl: setting(
    'PARLEY_REFRESH_TOKEN_TTL_SECONDS',
    whole(60, 31_536_000),
    '2592000',
    'Life of a refresh token. An identity that asks for its next ID token within that time stays the same.',
  ),
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
  roomMetadataBytes: setting(
    'PARLEY_MAX_ROOM_METADATA_BYTES',
    whole(1024, 16_777_216),
    '262144',
    'Bytes that the metadata of all peers of a room may have together: `registered_auth` tells a new peer all of it, and Python clients read 1 MiB.',
  ),
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
    'Sign-ins and renewals of ID tokens from one network address (of IPv6: from one /64 network).',
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
  fanOutPerSecond: setting(
    'PARLEY_MAX_FAN_OUT_PER_SECOND',
    whole(1, 1_000_000_000),
    '20000',
    'Peers that the requests of one peer may reach in a second: `broadcast`, `query`, `discover_peers`, `update_metadata`, `join_channel` and `leave_channel` each count as many as are in the room. Beyond it they are answered with `RATE_LIMITED`.',
  ),
  stunUrls: setting(
    'PARLEY_STUN_URLS',
    stunUrlList,
    '',
    'STUN servers that peers are told of: `stun:` or `stuns:` URLs, separated by commas. Empty: none; Parley depends on nobody else unless it is told to.',
  ),
  turnUrls: setting(
    'PARLEY_TURN_URLS',
    turnUrlList,
    '',
    'TURN servers that registered peers are told of, with credentials: `turn:` or `turns:` URLs, separated by commas, perhaps with `?transport=udp` or `?transport=tcp`.',
  ),
  turnHost: setting(
    'TURN_HOST',
    hostInUrl,
    '',
    'Name or IP address of a TURN server that is reached over UDP and TCP. It is offered before those of `PARLEY_TURN_URLS`.',
  ),
  turnPort: setting('TURN_PORT', whole(1, 65_535), '3478', 'Port of `TURN_HOST`.'),
  turnUsername: setting(
    'TURN_USERNAME',
    z.string(),
    '',
    'User name for the TURN servers, the same for every peer. Time-limited credentials are better: see `PARLEY_TURN_SECRET`.',
  ),
  turnPassword: setting('TURN_PASSWORD', z.string(), '', 'Password that belongs to `TURN_USERNAME`.', true),
  turnSecrets: setting(
    'PARLEY_TURN_SECRET',
    list.refine(secrets => secrets.length <= 2, 'must be one secret, or two separated by a comma'),
    '',
    'Secret shared with the TURN servers (coturn: `static-auth-secret`), from which each peer gets credentials of its own that end; then `TURN_USERNAME` is not used. Or two, the new one and the old, separated by a comma: the first makes the credentials, and the TURN servers are to accept both, as coturn does that is given both. To change the secret: give the TURN servers both, then set both here, and when the credentials of the old one have ended, remove it everywhere.',
    true,
  ),
  turnTtl: setting(
    'PARLEY_TURN_TTL_SECONDS',
    whole(60, 86_400),
    '3600',
    'Life of the credentials made with `PARLEY_TURN_SECRET`.',
  ),
} as const

/** Names that the original's container used and that this version does not act on yet; better refused than ignored. */
const notYet = ['COGNITO_REGION', 'COGNITO_USER_POOL_ID', 'COGNITO_APP_CLIENT_ID']

/** Names that the CLI reads, which whoever starts the server may have in the same environment. */
const ofTheCli = ['PARLEY_HOME', 'PARLEY_DEBUG']

/** The settings; `turnUrls` has those of `turnHost` too. */
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
    if (variable.startsWith('PARLEY_') && !known.has(variable) && !ofTheCli.includes(variable)) {
      const near = closest(variable, known)
      faults.push({ variable, sentence: `${variable} is not a setting${near ? `; is ${near} meant?` : '.'}` })
    }
    if (notYet.includes(variable) && environment[variable]) {
      faults.push({ variable, sentence: `${variable} is set, but this version has no Cognito; unset it.` })
    }
  }
  const values = Object.entries(settings).map(([name, { variable, schema, fallback, isSecret }]) => {
    const given = environment[variable] || fallback
    const result = schema.safeParse(given)
    if (result.success) return [name, result.data]
    const shown = isSecret ? '' : `, but is ${JSON.stringify(given)}`
    faults.push({ variable, sentence: `${variable} ${result.error.issues[0]?.message}${shown}.` })
    return [name, schema.parse(fallback)]
  })
  const given = Object.fromEntries(values) as Config
  const turnUrls = new Set([...turnUrlsOf(given.turnHost, given.turnPort), ...given.turnUrls])
  const config: Config = Object.freeze({ ...given, turnUrls: [...turnUrls] })
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
  faults.push(...turnFaults(config, faults))
  return { config, faults }
}

/** RFC 7065: how the TURN server at `host` is named, over UDP and TCP. */
const turnUrlsOf = (host: string, port: number): string[] =>
  host === '' ? [] : ['udp', 'tcp'].map(transport => `turn:${host}:${port}?transport=${transport}`)

/** What the TURN settings lack together. Where one is `found` to be malformed, none is said to be missing beside it. */
function turnFaults(config: Config, found: readonly Fault[]): Fault[] {
  const { turnUrls, turnHost, turnUsername, turnPassword, turnSecrets } = settings
  const faults: Fault[] = []
  const lacks = ({ variable }: Setting<unknown>, what: string) =>
    faults.push({ variable, sentence: `${variable} is set, but ${what}.` })
  if (config.turnUsername && !config.turnPassword) lacks(turnUsername, `${turnPassword.variable} is not`)
  if (config.turnPassword && !config.turnUsername) lacks(turnPassword, `${turnUsername.variable} is not`)

  const malformable: string[] = [turnUrls.variable, turnHost.variable, turnSecrets.variable]
  if (found.some(({ variable = '' }) => malformable.includes(variable))) return faults
  const server = config.turnHost ? turnHost : config.turnUrls.length > 0 ? turnUrls : undefined
  const pair = config.turnUsername ? turnUsername : config.turnPassword ? turnPassword : undefined
  const credentials = config.turnSecrets.length > 0 ? turnSecrets : pair
  if (server && !credentials) {
    const choice = `${turnSecrets.variable}, or ${turnUsername.variable} and ${turnPassword.variable}`
    lacks(server, `no credentials are: set ${choice}`)
  }
  if (credentials && !server) lacks(credentials, `no TURN server is: set ${turnHost.variable} or ${turnUrls.variable}`)
  return faults
}
