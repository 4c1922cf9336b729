import { z } from 'zod'
import { filePath, oneOf, originList, proxyList, whole } from '../formats.ts'
import { logFormats, logLevels } from '../log.ts'
import { port, setting } from './setting.ts'

/** Where the server listens, what it writes, and whom it lets in. */
export const edge = {
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
  tlsCert: setting(
    'PARLEY_TLS_CERT',
    filePath,
    '',
    'File with the certificate of the server and, behind it, those of its issuers, in PEM form (certbot: `fullchain.pem`). With it and `PARLEY_TLS_KEY` both ports speak TLS, `https:` and `wss:`, and nothing else: see [TLS](#tls). Empty: no TLS, as on this machine, or behind a [reverse proxy](reverse-proxies.md) that has it.',
  ),
  tlsKey: setting(
    'PARLEY_TLS_KEY',
    filePath,
    '',
    'File with the private key that belongs to `PARLEY_TLS_CERT`, in PEM form, without a passphrase (certbot: `privkey.pem`). Only its path is ever shown.',
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
  drainNotice: setting(
    'PARLEY_DRAIN_NOTICE_SECONDS',
    whole(0, 300),
    '0',
    'When the server is told to stop, it goes on as before for so long, but `/readyz` says 503: as long as your load balancer needs to notice. See [stopping](running.md#stopping).',
  ),
  drainWithin: setting(
    'PARLEY_DRAIN_SECONDS',
    whole(0, 300),
    '0',
    'After that, peers with the feature `resume` have so long to move to another connection, before all that are left are closed with 1001. The container has 20.',
  ),
  expiredTokens: setting(
    'PARLEY_EXPIRED_TOKENS',
    oneOf(['keep', 'close']),
    'keep',
    'What becomes of a peer whose ID token ends while it is registered. `keep`: it stays, as on the Python server. `close`: 25 seconds later it is closed with 4401, unless it has shown a newer token by `renew` or `register`. Clients with the feature `token-refresh` are told 60 seconds before; the SDK shows a newer one if it has a refresh token, and otherwise comes back. Deployed clients do neither: they lose their connection after an hour.',
  ),
  plainPeerErrors: setting(
    'PARLEY_PLAIN_PEER_ERRORS',
    oneOf(['all', 'register']),
    'register',
    'Which errors plain peers are sent, those that ask for no features. `register`: those about `register` alone, as deployed workers end at any other; what is kept back is logged, and counted by code in `parley_errors_kept_back_total`. `all`: every error.',
  ),
} as const
