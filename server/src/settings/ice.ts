import { z } from 'zod'
import { hostInUrl, list, stunUrlList, turnUrlList, whole } from '../formats.ts'
import { setting } from './setting.ts'

/** What peers are told of STUN and TURN servers. */
export const ice = {
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
