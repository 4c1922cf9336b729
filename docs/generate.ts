import { join } from 'node:path'
import { errorKinds } from '@parley/protocol'
import { errors, fromPeers, fromServer } from '@parley/protocol/fixtures'
import { settings } from '../server/src/settings.ts'
import { readClientApi } from './client-api.ts'
import { clientApiPage } from './client-api-page.ts'
import { bundleClient, kilobytes } from './client-bundle.ts'

/** Where both sides have one of a name, that of the peers: the other differs in little, and the text says in what. */
const golden: Record<string, object> = { ...fromServer, ...errors, ...fromPeers }

/** Files below client/src from which programs import, and by which name. */
const clientEntries = new Map([
  ['index.ts', '@parley/client'],
  ['files/index.ts', '@parley/client/files'],
  ['node-datachannel.ts', '@parley/client/node-datachannel'],
  ['react.ts', '@parley/client/react'],
])

/**
 * The pages that are generated in whole or in part, as they should be: path below docs/ → text.
 * @throws Error if something that the SDK exports has no comment
 */
export async function generatedPages(): Promise<Map<string, string>> {
  const protocol = await Bun.file(join(import.meta.dir, 'protocol.md')).text()
  const sizeOf = async (entry: string) => kilobytes((await bundleClient(entry)).gzippedBytes)
  const sizes = { main: await sizeOf('index.ts'), files: await sizeOf('files/index.ts') }
  return new Map([
    ['client-api.md', clientApiPage(await readClientApi(clientEntries), sizes)],
    ['configuration.md', configuration()],
    ['protocol.md', withGenerated(protocol)],
  ])
}

/** `page` with what stands between `<!-- golden NAME -->` or `<!-- errors -->` and its end mark made anew. */
function withGenerated(page: string): string {
  return page.replace(/<!-- (golden (\S+)|errors) -->[\s\S]*?<!-- end -->/g, (_, mark: string, name?: string) => {
    return `<!-- ${mark} -->\n${name ? goldenBlock(name) : errorTable()}\n<!-- end -->`
  })
}

function goldenBlock(name: string): string {
  const message = golden[name]
  if (!message) throw new Error(`protocol/fixtures has no message "${name}"`)
  return `\`\`\`json\n${layout(message, '')}\n\`\`\``
}

/** JSON on one line where it fits on one, else with a line for each member or item, laid out in the same way. */
function layout(value: unknown, indent: string): string {
  const line = JSON.stringify(value, null, 1).replaceAll(/\n\s*/g, ' ')
  if (typeof value !== 'object' || value === null || indent.length + line.length <= 110) return line
  const inner = `${indent}  `
  const isList = Array.isArray(value)
  const parts = Object.entries(value).map(
    ([name, part]) => `${inner}${isList ? '' : `${JSON.stringify(name)}: `}${layout(part, inner)}`,
  )
  return `${isList ? '[' : '{'}\n${parts.join(',\n')}\n${indent}${isList ? ']' : '}'}`
}

function errorTable(): string {
  const rows = Object.entries(errorKinds).map(([code, { httpStatus, closeCode, retryable, sentence, remedy }]) =>
    row([`\`${code}\``, sentence, httpStatus, closeCode ?? '–', retryable ? 'yes' : 'no', remedy]),
  )
  return [row(['code', 'sentence', 'HTTP', 'close', 'retry', 'what to do']), row(Array(6).fill('---')), ...rows].join(
    '\n',
  )
}

function configuration(): string {
  const rows = Object.values(settings).map(({ variable, fallback, meaning }) =>
    row([`\`${variable}\``, fallback === '' ? '(empty)' : `\`${fallback}\``, meaning]),
  )
  return `# Configuration

<!-- Generated from server/src/settings/ by "npm run docs"; edit it there. -->

Parley reads its settings once, when it starts: from environment variables, and from a [settings file](#a-settings-file) if
you name one. An unknown \`PARLEY_\` variable or a malformed value keeps it
from starting, and all faults are told at once. A variable that is empty counts as not set. Of other variables that begin
with \`COGNITO_\` or \`TURN_\` only a misspelt setting is a fault, such as \`COGNITO_CLIENT_ID\` while \`COGNITO_APP_CLIENT_ID\`
is not set.

${[row(['variable', 'default', 'meaning']), row(Array(3).fill('---')), ...rows].join('\n')}

\`npm start -- config\` (of the [executable](running.md#the-executable) \`parley config\`) prints the value of each setting that is in force and where
it comes from: \`default\`, \`environment\`, \`.env file\`, or the settings file and its line. Secrets, and user names and
passwords in URLs, are hidden. \`--json\` prints it for programs. \`check\` lists all that is wrong without starting.
\`--help\` has the rest.

## One port

Many platforms (Heroku, Render, Railway, Cloud Run, Fly.io and others) give a program one port, whose number is in \`PORT\`, and
have TLS before it. Start the server with

\`\`\`sh
PARLEY_HTTP_PORT=$PORT PARLEY_WS_PORT=$PORT PARLEY_HOST=0.0.0.0 npm start
\`\`\`

and name the proxies of the platform in \`PARLEY_TRUSTED_PROXIES\`, as far as it says where they are. Clients with the SDK need
\`https://NAME\` alone, as they look for the WebSocket at \`/ws\` there. Others use \`wss://NAME\`, with any path. Only a
server with both on port 8001 needs the SDK's \`wsUrl\` (\`--ws\`): beside that port, it looks on 8080.

## TLS

With \`PARLEY_TLS_CERT\` and \`PARLEY_TLS_KEY\`, both ports speak TLS (1.2 and 1.3) and nothing else: the HTTP API is at \`https:\`, the
WebSocket at \`wss:\`. With certbot:

\`\`\`sh
PARLEY_TLS_CERT=/etc/letsencrypt/live/parley.example.com/fullchain.pem
PARLEY_TLS_KEY=/etc/letsencrypt/live/parley.example.com/privkey.pem
\`\`\`

- **The user that runs the server** must be able to read both files. certbot lets only root read them: copy them in a deploy hook
  (\`install -o parley -m 600 …\`), or, with systemd, use \`LoadCredential\`. In the container the user is 65532.
- **Checked before the start**, and by \`check\`: that both can be read and are PEM, that the key needs no passphrase and belongs to the
  certificate, that the server's own certificate comes first, and that it is valid now. Clients may also object to a chain out of order or without
  its intermediate certificates, to a certificate without names, to one that is not for servers, and to a key that is too short: then there is a warning. So there is of one that ends within 14 days.
- **Read again when they change**: every 5 s, and at once after \`SIGHUP\` (unless standard error is a terminal). New connections get the new certificate, open ones
  stay, and none is lost ([decision 0041](decisions/0041-a-new-certificate-gets-a-socket-of-its-own.md)). A pair that does not pass the checks is not taken: the old one stays in force, and the log says why, once.
- **Alerts**: \`parley_tls_certificate_expires_timestamp_seconds\` in \`/metrics\` is the end of the certificate in force. The log warns 14 days before it.
- **An authority of your own**: programs on Node and Bun, the CLI too, trust it with \`NODE_EXTRA_CA_CERTS=ca.pem\`, Python with
  \`SSL_CERT_FILE=ca.pem\`, curl with \`--cacert ca.pem\`.

Where a [reverse proxy](reverse-proxies.md) has TLS, set neither.

## A settings file

\`npm start -- --config parley.toml\` reads a [TOML](https://toml.io) file, too. So do \`check\`, \`config\` and \`healthcheck\`. Its
keys are the names of the variables:

\`\`\`toml
PARLEY_HTTP_PORT = 9000
PARLEY_DELETE_BY_ADDRESS = false   # "off"
PARLEY_TURN_URLS = ["turn:turn.example.com", "turns:turn.example.com"]
TURN_USERNAME = "parley"
TURN_PASSWORD = "…"
\`\`\`

- A variable in the environment goes before the file. One that is empty counts as not set, so that the file decides.
- Values are text, numbers, \`true\` and \`false\` (\`on\` and \`off\`), or lists of these, which are joined by commas.
- There are no tables. Every key that is not in the table above is a fault, and faults tell the line.
- A relative \`PARLEY_DATA_DIR\` begins at the folder that the server is started in, as it does in the environment.
- Keep a file with secrets to yourself (\`chmod 600 parley.toml\`): the server warns if every user of the machine can read it.
- The variables of AWS (below) are read from the environment alone.

## .env files

Run by Bun, as \`npm start\` does, the server has the variables of such files in its environment. Bun looks for them in the folder
that the server is started in; with \`npm start\` that is the root of the repository. What comes first here goes before the rest:

1. the environment that the server is started with, even a variable that is empty there,
2. \`.env.local\`,
3. \`.env.production\` if \`NODE_ENV\` is \`production\`; \`.env.development\` if it is not set,
4. \`.env\`,
5. the settings file of \`--config\`.

The [executable](running.md#the-executable) reads no such files, so that the folder that you happen to be in changes nothing: give
it a settings file. The [container](../docker/README.md) is that executable; Docker has \`--env-file\`.

## AWS

Where identities come from Cognito or rooms are kept in DynamoDB, the AWS SDK reads variables of its own, too.

- **Credentials** are found where every AWS program finds them: in \`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\` and
  \`AWS_SESSION_TOKEN\`, in the files of \`AWS_PROFILE\`, or by the role of the container or the instance.
- **Endpoints** are those of the region, unless \`AWS_ENDPOINT_URL\` names another for all services,
  \`AWS_ENDPOINT_URL_DYNAMODB\` one for DynamoDB, or \`AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER\` one for Cognito, where
  then the public keys of the user pool are looked for, too. One that is no \`http:\` or \`https:\` URL keeps Parley from
  starting.
`
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

if (import.meta.main) {
  for (const [page, text] of await generatedPages()) await Bun.write(join(import.meta.dir, page), text)
}
