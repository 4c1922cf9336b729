import { limits } from '@parley/protocol'
import { whole } from '../formats.ts'
import { count, setting } from './setting.ts'

/** How long things live, and how many and how big they may be. */
export const bounds = {
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
  resumeTtl: setting(
    'PARLEY_RESUME_TTL_SECONDS',
    whole(0, 600),
    '30',
    'Time that a peer with the feature `resume` has to come back after its connection has ended. Meanwhile it stays in its room, and what is sent to it is held. 0: `resume` is granted to nobody.',
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
} as const
