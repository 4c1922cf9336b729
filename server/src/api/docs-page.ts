import { type ErrorCode, errorKinds, isObject, type JsonSchema } from '@parley/protocol'
import { html, raw } from 'hono/html'
import type { AsyncApi, AsyncMessage, AsyncOperation } from './asyncapi.ts'
import { membersOf } from './docs-members.ts'
import { style } from './docs-style.ts'
import type { OpenApi, Operation } from './openapi.ts'

type Html = ReturnType<typeof html>

/** A route or a message, as the page shows it. */
interface Entry {
  readonly anchor: string
  readonly title: Html
  readonly body: Html
}

interface Section {
  readonly anchor: string
  readonly title: string
  /** What holds for all entries. */
  readonly intro: string
  readonly entries: readonly Entry[]
}

/**
 * Both documents on one page, for people. It needs nothing but itself.
 * @returns the page, and the Content-Security-Policy that lets it be what it is and no more
 */
export async function docsPage(http: OpenApi, webSocket: AsyncApi): Promise<{ page: string; policy: string }> {
  const sections = [...httpSections(http), ...messageSections(webSocket)]
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parley ${http.info.version}</title>
<link rel="icon" href="data:,">
<style>${raw(style)}</style>
</head>
<body>
<header>
<h1>Parley ${http.info.version}</h1>
<p>Programs that cannot see each other meet here, and agree on a direct WebRTC connection. For programs, the same is in
<a href="openapi.json">openapi.json</a> and <a href="asyncapi.json">asyncapi.json</a>.</p>
</header>
<nav aria-label="Contents">
<p><a href="#start">The first exchange</a></p>
${sections.map(
  ({ anchor, title, entries }) => html`<p><a href="#${anchor}">${title}</a></p>
<ul>${entries.map(entry => html`<li><a href="#${entry.anchor}">${entry.title}</a></li>`)}</ul>`,
)}
<p><a href="#errors">Errors</a></p>
</nav>
<main>
${firstExchange(webSocket)}
${sections.map(
  ({ anchor, title, intro, entries }) => html`<section><h2 id="${anchor}">${title}</h2>${intro && html`<p>${intro}</p>`}
${entries.map(entry => html`<article id="${entry.anchor}"><h3>${entry.title}</h3>${entry.body}</article>`)}</section>`,
)}
${errorTable()}
</main>
</body>
</html>
`
  return { page: String(page), policy: await policy() }
}

async function policy(): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style)))
  return [
    "default-src 'none'",
    `style-src 'sha256-${digest.toBase64()}'`,
    // The icon, which is none.
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function firstExchange({ components: { messages } }: AsyncApi): Html {
  const golden = (name: string) => example(messages[name]?.examples[0]?.payload)
  return html`<section><h2 id="start">The first exchange</h2>
<ol>
<li><a href="#signIn"><code>POST /anonymous-signin</code></a> gives an <code>id_token</code>.</li>
<li><a href="#createRoom"><code>POST /create-room</code></a> with <code>Authorization: Bearer &lt;id_token&gt;</code>
gives a <code>room_id</code> and a <code>token</code>. Whoever knows both may enter: give them to the other peer.</li>
<li>Each peer connects to the WebSocket (at <code>/ws</code> here, or on a port of its own: 8080, unless it was set otherwise) and sends
<a href="#peer.register"><code>register</code></a>, with an <code>id_token</code> of its own:
${golden('peer.register')}
It is answered with <a href="#server.registered_auth"><code>registered_auth</code></a>: who is there, and the ICE servers.</li>
<li>One sends an <a href="#peer.offer"><code>offer</code></a>:
${golden('peer.offer')}
The other sends an <a href="#peer.answer"><code>answer</code></a>, and both send each
<a href="#peer.candidate"><code>candidate</code></a> as they find it.</li>
<li>The data channel is open, and Parley is out of the way.
<a href="#deletePeersAndRoom"><code>POST /delete-peers-and-room</code></a> clears up; a room that nobody deletes ends by itself.</li>
</ol></section>`
}

function httpSections({ info, tags, paths, components }: OpenApi): Section[] {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  return tags.map(({ name }, index) => ({
    anchor: `http-${index + 1}`,
    title: `HTTP: ${name}`,
    intro: index === 0 ? info.description : '',
    entries: all
      .filter(({ operation }) => operation.tags.includes(name))
      .map(({ path, method, operation }) => ({
        anchor: operation.operationId,
        title: html`<code class="method">${method.toUpperCase()}</code> <code>${path}</code>`,
        body: route(operation, components.schemas),
      })),
  }))
}

function route(
  { summary, description, security, parameters, requestBody, responses }: Operation,
  schemas: OpenApi['components']['schemas'],
): Html {
  const authorization =
    security.length === 0 ? 'none' : security.length === 1 ? 'Bearer id_token' : 'Bearer id_token, or other proof'
  const answers = Object.entries(responses).filter(([status]) => status < '400')
  const codes = Object.values(responses).flatMap(({ content }) =>
    codesIn(content?.['application/problem+json']?.schema),
  )
  return html`<p>${summary} ${description}</p>
<h4>Authorization</h4><p>${authorization}</p>
${parameters.length > 0 && html`<h4>In the path</h4><dl>${parameters.map(({ name, description }) => html`<dt><code>${name}</code></dt><dd>${description}</dd>`)}</dl>`}
${Object.values(requestBody?.content ?? {}).map(
  ({ schema }) =>
    html`<h4>Body${requestBody?.required ? '' : ', which may be missing'}</h4>${membersOf(schema, schemas)}`,
)}
${answers.map(([status, { content = {} }]) => {
  const types = Object.keys(content).join(' or ') || 'no body'
  return html`<h4>Answer</h4><p>${status}, ${types}</p>${Object.values(content).map(({ schema }) => membersOf(schema, schemas))}`
})}
<h4>Errors</h4><p>${codes.map(code => html`<a href="#error-${code}"><code>${code}</code></a> `)}</p>`
}

/** The codes of a refusal, as openapi.ts names them. */
function codesIn(schema: JsonSchema | undefined): readonly string[] {
  const { code } = isObject(schema?.properties) ? schema.properties : {}
  return isObject(code) && Array.isArray(code.enum) ? code.enum : []
}

function messageSections({ info, operations, components: { messages } }: AsyncApi): Section[] {
  const entries = (action: AsyncOperation['action']): Entry[] =>
    Object.values(operations)
      .filter(operation => operation.action === action)
      .flatMap(({ messages: [first], reply }) => {
        const name = nameOf(first?.$ref)
        const message = messages[name]
        if (!message) return []
        const replies = reply?.messages.map(({ $ref }) => nameOf($ref)) ?? []
        return [{ anchor: name, title: html`<code>${message.name}</code>`, body: messageBody(message, replies) }]
      })
  return [
    { anchor: 'peer', title: 'WebSocket: what peers send', intro: info.description, entries: entries('receive') },
    { anchor: 'server', title: 'WebSocket: what the server sends', intro: '', entries: entries('send') },
  ]
}

const nameOf = (ref = ''): string => ref.split('/').at(-1) ?? ''

function messageBody({ name, summary, payload, examples }: AsyncMessage, replies: readonly string[]): Html {
  // Of the errors, one for all: the table has the others.
  const shown = name === 'error' ? examples.filter(({ name }) => name === 'PEER_NOT_FOUND') : examples
  return html`<p>${summary}</p>
${replies.length > 0 && html`<h4>Answer</h4><p>${replies.map((reply, index) => html`${index > 0 && ' or '}<a href="#${reply}"><code>${reply.replace('server.', '')}</code></a>`)}</p>`}
<h4>Members</h4>${membersOf(payload)}
<h4>Example</h4>${shown.map(({ payload }) => example(payload))}`
}

const example = (value: object | undefined): Html => html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`

function errorTable(): Html {
  const rows = (Object.keys(errorKinds) as ErrorCode[]).map(code => {
    const { sentence, httpStatus, closeCode, retryable, remedy } = errorKinds[code]
    return html`<tr id="error-${code}">
<td><code>${code}</code></td><td>${sentence}</td><td data-label="HTTP">${httpStatus}</td>
<td data-label="Close code">${closeCode ?? '–'}</td><td data-label="Try again">${retryable ? 'yes' : 'no'}</td>
<td>${remedy}</td></tr>`
  })
  return html`<section><h2 id="errors">Errors</h2>
<p>The same codes over HTTP, as problem details, and over WebSocket, in <a href="#server.error"><code>error</code></a> and
<a href="#server.bye"><code>bye</code></a>. Where there is no close code, the WebSocket stays open. Close codes from 4000
to 4499 mean “come back”, those from 4500 to 4999 “do not”.</p>
<table><thead><tr><th>Code</th><th>Sentence</th><th>HTTP</th><th>Close code</th><th>Try again</th><th>What to do</th></tr></thead>
<tbody>${rows}</tbody></table></section>`
}
