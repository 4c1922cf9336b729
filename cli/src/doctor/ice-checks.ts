import { type Finding, timed, within } from './check.ts'
import { printPlace } from './connect.ts'
import { type IceUrl, parseIceUrl } from './ice-url.ts'
import { doubts } from './relay-doubts.ts'
import { type Endpoint, printEndpoint } from './stun.ts'
import { bind, StunClient, StunRefusal } from './stun-client.ts'
import { noConnection, type Obstacle, printable, Skip, silence, Trouble } from './trouble.ts'
import { type Allocation, allocate, type TurnCredentials } from './turn.ts'
import type { Registered } from './websocket-checks.ts'

/** Milliseconds that giving a relay back may take. */
const releaseWithin = 500

/** A STUN or TURN server that the peers are told of. */
export interface IceTarget {
  /** As the server tells it, fit for a terminal. */
  readonly text: string
  readonly kind: 'stun' | 'turn'
  /** `undefined`, if nothing can be made of the text. */
  readonly url: IceUrl | undefined
  readonly credentials: TurnCredentials
}

/** Each URL once, in the order in which the server tells them. */
function targetsOf(iceServers: unknown): readonly IceTarget[] {
  const targets = new Map<string, IceTarget>()
  for (const entry of Array.isArray(iceServers) ? iceServers : []) {
    const { urls, username, credential } = (entry ?? {}) as { urls?: unknown; username?: unknown; credential?: unknown }
    const credentials = { username: String(username ?? ''), credential: String(credential ?? '') }
    for (const each of [urls ?? []].flat()) {
      // Nobody should write a password there, and nobody should read it here.
      const text = printable(String(each)).replace(/:.*@/, ':…@')
      const kind = /^turns?:/i.test(text) ? 'turn' : 'stun'
      if (!targets.has(text)) targets.set(text, { text, kind, url: parseIceUrl(text), credentials })
    }
  }
  return [...targets.values()]
}

export async function checkIceServers({
  iceServers,
}: Pick<Registered, 'iceServers'>): Promise<Finding<readonly IceTarget[]>> {
  const targets = targetsOf(iceServers)
  const turn = targets.filter(({ kind }) => kind === 'turn').length
  const stun = targets.length - turn
  if (targets.length === 0) {
    return {
      ...{ status: 'warning', value: targets, detail: 'Peers are told of no STUN and no TURN server.' },
      advice: 'Peers behind different NATs will not find each other: set PARLEY_STUN_URLS and PARLEY_TURN_URLS.',
    }
  }
  const detail = `Peers are told of ${stun} STUN and ${turn} TURN URL${turn === 1 ? '' : 's'}.`
  if (turn > 0) return { detail, value: targets }
  return {
    ...{ status: 'warning', value: targets, detail },
    advice: 'Some peers cannot be connected directly, and need a relay: set PARLEY_TURN_URLS and PARLEY_TURN_SECRET.',
  }
}

/** What is known of a server that has answered. */
export interface Answering {
  readonly kind: 'stun' | 'turn'
  /** Where it answers over UDP, over which a NAT can be looked at. */
  readonly udp: Endpoint | undefined
}

export const checkIceServer = (target: IceTarget, signal: AbortSignal): Promise<Finding<Answering>> =>
  target.kind === 'turn' ? checkTurn(target, signal) : checkStun(target, signal)

async function checkStun(target: IceTarget, signal: AbortSignal): Promise<Finding<Answering>> {
  const url = usable(target)
  try {
    const client = await StunClient.open(url, signal)
    const { value: mapped, ms } = await timed(() => bind(client))
    return { ms, detail: `This machine is seen as ${printEndpoint(mapped)}.`, value: answering(url, client) }
  } catch (error) {
    throw troubleWith(url, error)
  }
}

async function checkTurn(target: IceTarget, signal: AbortSignal): Promise<Finding<Answering>> {
  const url = usable(target)
  try {
    const client = await StunClient.open(url, signal)
    const { value: allocation, ms } = await timed(() => allocate(client, target.credentials))
    await giveBack(allocation, signal)
    const detail = `It gives a relay at ${printEndpoint(allocation.relayed)}.`
    return { ms, detail, ...doubts(allocation, client.remote), value: answering(url, client) }
  } catch (error) {
    throw error instanceof StunRefusal ? refused(error, target.credentials) : troubleWith(url, error)
  }
}

/** Best effort: what is not given back ends by itself. */
async function giveBack(allocation: Allocation, signal: AbortSignal): Promise<void> {
  const bounds = { deadline: releaseWithin, signal }
  await within(
    bounds,
    () => new Trouble('There is no answer.'),
    () => allocation.release(),
  ).catch(() => {})
}

/** What it means that such a server is silent. */
export const iceSilence = ({ text, url }: IceTarget): Trouble =>
  url ? silence(printPlace(url), ownAdvice(url).silent) : silence(text)

function usable({ text, kind, url }: IceTarget): IceUrl {
  const setting = kind === 'turn' ? 'PARLEY_TURN_URLS' : 'PARLEY_STUN_URLS'
  if (!url) throw new Trouble(`“${text}” is no URL of a ${kind.toUpperCase()} server.`, `Correct ${setting}.`)
  if (url.transport === 'dtls') throw new Skip('It is reached over DTLS, which cannot be tried from here.')
  return url
}

const answering = ({ kind, transport }: IceUrl, { remote }: StunClient): Answering => ({
  kind,
  udp: transport === 'udp' ? remote : undefined,
})

const troubleWith = (url: IceUrl, error: unknown): Error => {
  if (error instanceof StunRefusal) {
    return new Trouble(
      `${printPlace(url)} refuses: ${printable(error.message)}.`,
      'Look into the log of the STUN server.',
    )
  }
  return noConnection(error, printPlace(url), ownAdvice(url))
}

function ownAdvice({ kind, port, transport }: IceUrl): { readonly [O in Obstacle]?: string } {
  const protocol = transport === 'udp' ? 'UDP' : 'TCP'
  const server = kind === 'turn' ? 'TURN server' : 'STUN server'
  const relays = kind === 'turn' ? ', and its relay ports (coturn: UDP 49152 to 65535)' : ''
  const ways =
    kind === 'turn' ? ' If this network lets no UDP out, offer ?transport=tcp or turns: on port 443, too.' : ''
  return {
    refused: `Start the ${server}, and check that it listens on ${protocol} port ${port}.`,
    silent: `Check that the ${server} runs; open ${protocol} port ${port}${relays} in its firewall and security group.${
      transport === 'udp' ? ways : ''
    }`,
  }
}

function refused({ code, reason }: StunRefusal, { username }: TurnCredentials): Trouble {
  const isTimeLimited = /^\d{9,}:/.test(username)
  const said = `${code} ${printable(reason)}`.trim()
  switch (code) {
    case 401:
    case 441:
      return new Trouble(
        `It refuses the credentials that Parley gives out (${said}).`,
        isTimeLimited
          ? "PARLEY_TURN_SECRET must be the TURN server's own (coturn: static-auth-secret), and the clocks of both must agree."
          : 'TURN_USERNAME and TURN_PASSWORD must be those of a user of the TURN server; better, set PARLEY_TURN_SECRET.',
      )
    case 486:
      return new Trouble(`It has no relay left for this user (${said}).`, 'Raise its quota (coturn: user-quota).')
    case 508:
      return new Trouble(`It has no relay left (${said}).`, 'Give it more relay ports (coturn: min-port, max-port).')
    default:
      return new Trouble(`It gives no relay (${said}).`, 'Look into the log of the TURN server.')
  }
}
