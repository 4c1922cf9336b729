import { limits } from '@parley/protocol'
import { z } from 'zod'
import {
  awsRegion,
  hostInUrl,
  issuerUrl,
  list,
  matching,
  oneOf,
  oneOfOrNone,
  originList,
  proxyList,
  stunUrlList,
  turnUrlList,
  userPoolId,
  whole,
} from './formats.ts'
import { logFormats, logLevels } from './log.ts'

/** One environment variable: how it is read, what it is without being set, and what it means. */
export interface Setting<T> {
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
  httpPort: setting('PARLEY_HTTP_PORT', port, '8001', 'HTTP API, and WebSockets at `/ws`; 0: a free one.'),
  wsPort: setting(
    'PARLEY_WS_PORT',
    port,
    '8080',
    'Port of the WebSocket server, on any path; 0: a free one. Set it to that of `PARLEY_HTTP_PORT` to serve both on one port; WebSockets may have any path there, too.',
  ),
  dataDir: setting(
    'PARLEY_DATA_DIR',
    z.string().min(1, 'must not be empty'),
    'data',
    'Folder of what the server keeps itself; made if it is missing. With `local` identities that is the signing key, with `cognito` the list of users still to be deleted (`pending-sign-outs.json`), with `sqlite` the room database.',
  ),
  logLevel: setting(
    'PARLEY_LOG_LEVEL',
    oneOf(logLevels),
    'info',
    `Least level that is logged: ${logLevels.map(level => `\`${level}\``).join(', ')}. The log goes to standard error.`,
  ),
  logFormat: setting(
    'PARLEY_LOG_FORMAT',
    oneOf(logFormats),
    'auto',
    'How the log is written. `json`: one JSON object a line. `pretty`: for people, in colour on a terminal unless `NO_COLOR` is set. `auto`: `pretty` if standard error is a terminal, otherwise `json`. In JSON `level` is a number: 10 is `trace`, 20 `debug`, 30 `info`, 40 `warn`, 50 `error`, 60 `fatal`.',
  ),
  origins: setting(
    'PARLEY_ALLOWED_ORIGINS',
    originList,
    '',
    'Origins whose web pages may use the server, separated by commas: `https://app.example.com`, with its port if that is not the usual one; `https://*.example.com` for all subdomains, but not `example.com` itself; the origin of an app, such as `capacitor://localhost`, `tauri://localhost`, `app://.` or `chrome-extension://ID`; `null` for pages without an origin (files, sandboxed frames); `*` for all. See [security](security.md#pages) before you use the last two. Pages of the address of the server itself may use it without being named. Empty: no other page may call the HTTP API (there is no CORS header), and the WebSocket does not look at the origin.',
  ),
  proxies: setting(
    'PARLEY_TRUSTED_PROXIES',
    proxyList,
    '',
    'Addresses and networks of reverse proxies, separated by commas, whose `X-Forwarded-For` or `Forwarded` is believed. Set it behind a proxy: otherwise all peers share the limits of its address, and none may delete a room by its address. Name the proxies only, not the networks that clients are in: an address of these counts for a proxy.',
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
    'register',
    'Which errors plain peers are sent, those that ask for no features. `register`: those about `register` alone, as deployed workers end at any other; what is kept back is logged, and counted by code in `parley_errors_kept_back_total`. `all`: every error.',
  ),
  identityKind: setting(
    'PARLEY_IDENTITY',
    oneOfOrNone(['local', 'cognito', 'oidc']),
    '',
    'Who gives out identities. `local`: this server, with a key in its data folder. `cognito`: an Amazon Cognito user pool, in which each anonymous sign-in is a user. `oidc`: an OpenID provider, at which peers sign in themselves. Empty: `cognito` if one of the three `COGNITO_` settings is set, otherwise `local`; `COGNITO_REGION` alone does not count where `PARLEY_ROOM_STORE` is `dynamodb`, as it may be meant for the table.',
  ),
  cognitoRegion: setting('COGNITO_REGION', awsRegion, '', 'AWS region of the Cognito user pool.'),
  cognitoUserPoolId: setting(
    'COGNITO_USER_POOL_ID',
    userPoolId,
    '',
    'The Cognito user pool. For credentials and endpoints see [AWS](#aws).',
  ),
  cognitoAppClientId: setting(
    'COGNITO_APP_CLIENT_ID',
    matching(/^\w{1,128}$/, 'must be the id of an app client'),
    '',
    'The app client in that pool: without a secret, and allowed `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`.',
  ),
  oidcIssuer: setting(
    'PARLEY_OIDC_ISSUER',
    issuerUrl,
    '',
    'The OpenID provider whose ID tokens are taken: its issuer, as it stands in them. Plain `http:` only on this machine.',
  ),
  oidcAudience: setting(
    'PARLEY_OIDC_AUDIENCE',
    z.string(),
    '',
    'The client id for which the OpenID provider gives out the ID tokens.',
  ),
  storeKind: setting(
    'PARLEY_ROOM_STORE',
    oneOfOrNone(['sqlite', 'dynamodb']),
    '',
    'Where rooms are kept. `sqlite`: in a file in the data folder. `dynamodb`: in an Amazon DynamoDB table. Empty: `dynamodb` where identities come from Cognito, otherwise `sqlite`.',
  ),
  dynamodbTable: setting(
    'PARLEY_DYNAMODB_TABLE',
    matching(/^[\w.-]{3,255}$/, 'must be the name of a DynamoDB table'),
    'rooms',
    'The DynamoDB table; its key is `room_id`, a string. For credentials and endpoints see [AWS](#aws).',
  ),
  dynamodbRegion: setting(
    'PARLEY_DYNAMODB_REGION',
    awsRegion,
    '',
    'AWS region of the DynamoDB table. Empty: `COGNITO_REGION`.',
  ),
  roomTtl: setting(
    'PARLEY_ROOM_TTL_SECONDS',
    whole(1, 1_209_600),
    '7200',
    'Life of a room whose creator does not say.',
  ),
  maxRoomTtl: setting(
    'PARLEY_MAX_ROOM_TTL_SECONDS',
    whole(0, 1_209_600),
    '86400',
    'Longest life that a creator may ask for, and the time after its creation at which a room ends for its plain peers, too: they may stay in it past its end. 0: no bound; then a room may also have no end at all (`"ttl_seconds": null`).',
  ),
  idTokenTtl: setting(
    'PARLEY_ID_TOKEN_TTL_SECONDS',
    whole(60, 86_400),
    '3600',
    'Life of an ID token, where identities are `local`.',
  ),
  refreshTokenTtl: setting(
    'PARLEY_REFRESH_TOKEN_TTL_SECONDS',
    whole(60, 31_536_000),
    '2592000',
    'Life of a refresh token, where identities are `local`. An identity that asks for its next ID token within that time stays the same.',
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
  queueMemory: setting(
    'PARLEY_QUEUE_MEMORY_BYTES',
    whole(0, 1_099_511_627_776).refine(bytes => bytes === 0 || bytes >= 1_048_576, 'must be 0, or 1048576 or more'),
    '0',
    'Bytes of memory that all queues may take together: half as many bytes may wait, as a queue grows by doubling. Beyond it, the connections with the biggest and oldest queues are closed. 0: an eighth of the memory that the process may use (of the machine, or of its container), 512 MiB at most.',
  ),
  registerWithin: setting(
    'PARLEY_REGISTER_TIMEOUT_SECONDS',
    whole(1, 3600),
    '60',
    'Time within which a connection must register, or be closed with 4408. Some programs connect first and ask a person then.',
  ),
  unregistered: setting(
    'PARLEY_MAX_UNREGISTERED_CONNECTIONS',
    count,
    '10000',
    'Connections that have not registered. Beyond it the one that has waited longest is closed with 4429. After 10 s a tenth as many may go on waiting. Each can hold one unfinished message (`PARLEY_MAX_MESSAGE_BYTES`), so 1,000 that wait can take 1 GB at the defaults: on a small machine, set less.',
  ),
  unregisteredPerAddress: setting(
    'PARLEY_MAX_UNREGISTERED_PER_ADDRESS',
    count,
    '2000',
    'The same for those of one network address (of IPv6: of one /64 network). It does not count connections of a trusted proxy that does not say whom they come from.',
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
    'Bytes that the metadata of all peers of a room may have together: `registered_auth` tells a new peer all of it, with `presence` twice. Ids, roles and metadata together must always leave that message below 1 MiB, or below `PARLEY_MAX_MESSAGE_BYTES` if that is more, as Python clients read 1 MiB.',
  ),
  peersPerIdentity: setting('PARLEY_MAX_PEERS_PER_IDENTITY', count, '1000', 'Registered peers of one identity.'),
  roomsPerIdentity: setting(
    'PARLEY_MAX_ROOMS_PER_IDENTITY',
    count,
    '100',
    'Live rooms of one identity. Of rooms that nobody has entered yet, ten times as many may be created from one network address, and a hundred times as many in all; beyond that the oldest of them is deleted.',
  ),
  peerIdLength: setting(
    'PARLEY_MAX_PEER_ID_LENGTH',
    whole(1, limits.echoLength),
    String(limits.peerIdLength),
    'Characters of a `peer_id`, as people count them: see [names](protocol.md#names).',
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
    'Registrations with wrong tokens, and, apart from them, renewals with wrong refresh tokens, from one network address. Beyond it those that fail are told `RATE_LIMITED`; clients with valid tokens are not.',
  ),
  errorsPerMinute: setting(
    'PARLEY_ERRORS_PER_MINUTE',
    count,
    '600',
    'Faulty messages of one connection; beyond it they are answered with `RATE_LIMITED`, beyond twice as many the connection is closed with 4429.',
  ),
  workAtOnce: setting(
    'PARLEY_MAX_FAN_OUT_PER_SECOND',
    whole(1, 1_000_000_000),
    '20000',
    'Peers that the requests of one identity may reach in a second, and in the long run in each ten seconds; those of one network address, twice as many. All work counts by what it takes the server, see [security](security.md#work). Beyond it, requests are answered with `RATE_LIMITED` and the time to wait. Signals do not count, unless they are larger than 16 KiB.',
  ),
  stunUrls: setting(
    'PARLEY_STUN_URLS',
    stunUrlList,
    'stun:stun.l.google.com:19302,stun:stun1.l.google.com:19302',
    'STUN servers that peers are told of: `stun:` or `stuns:` URLs, separated by commas, or `none`. Without one, peers behind different NATs do not find each other. A STUN server sees the public address of each peer that asks it: see [security](security.md#stun-servers). Name your own where that must not be, or where peers cannot reach the Internet.',
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
    'Name or IP address of a TURN server that is reached over UDP and TCP. It is offered before those of `PARLEY_TURN_URLS`, but only if `TURN_PASSWORD` or `PARLEY_TURN_SECRET` is set.',
  ),
  turnPort: setting('TURN_PORT', whole(1, 65_535), '3478', 'Port of `TURN_HOST`.'),
  turnUsername: setting(
    'TURN_USERNAME',
    z.string(),
    '',
    'User name for the TURN servers, the same for every peer. Without it, and with `TURN_HOST` and `TURN_PASSWORD`, it is `sleap`, as on the Python server. Time-limited credentials are better: see `PARLEY_TURN_SECRET`.',
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
