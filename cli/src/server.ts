import { setTimeout } from 'node:timers/promises'
import { type Identity, Parley, ParleyError, type ParleyOptions, serverAddress, signIn } from '@parley/client'
import type { Context } from './command.ts'
import { IdentityFile } from './identity-file.ts'
import { firstPause, longestPause } from './stay-connected.ts'
import { printable } from './terminal.ts'

/** Where a server is that runs on this machine as the README says. */
export const localServer = 'http://127.0.0.1:8001'

export interface ServerOptions {
  readonly url: string
  readonly ws: string | undefined
  /** Be somebody new, and keep nothing. */
  readonly anonymous: boolean
  readonly RTCPeerConnection?: ParleyOptions['RTCPeerConnection']
  /** Milliseconds in which a server may appear that is not there yet; default: it must be there. */
  readonly waitFor?: number
}

/** The platform's WebSocket; Node has one from 22 on. */
export const webSocket = async (): Promise<typeof WebSocket> =>
  globalThis.WebSocket ?? ((await import('ws')).WebSocket as unknown as typeof WebSocket)

/** Signs in at a server, as the same user as last time. @throws ParleyError; Failure, if the file of identities is broken */
export async function openServer(options: ServerOptions, context: Context) {
  const { url, ws, anonymous, RTCPeerConnection, waitFor = 0 } = options
  const { httpUrl, wsUrl } = serverAddress(url, ws)
  const enter = () => (anonymous ? signIn(httpUrl) : signInAgain(httpUrl, context))
  const identity = await onceThere(enter, waitFor, context)
  const WebSocket = await webSocket()
  const rtc = RTCPeerConnection && { RTCPeerConnection }
  return new Parley(httpUrl, { wsUrl, identity, WebSocket, ...rtc })
}

/** Tries again while the server cannot be reached, which is told once. @throws what `enter` throws, at last */
async function onceThere<T>(enter: () => Promise<T>, waitFor: number, { out, interruption }: Context): Promise<T> {
  const { signal } = interruption
  const giveUpAt = Date.now() + waitFor
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
    try {
      return await enter()
    } catch (error) {
      if (!(error instanceof ParleyError && isAway.includes(error.code)) || Date.now() + pause > giveUpAt) throw error
      const { code, message } = error
      const text = `${message.replace(/\.$/, '')} (${code}). Waiting for it; Ctrl-C ends that.`
      out.news(
        { event: 'server', status: 'waiting', code, message },
        pause === firstPause ? ({ yellow }) => `${yellow('!')} ${printable(text)}` : undefined,
      )
      await setTimeout(pause, undefined, { signal }).catch(() => {})
      if (signal.aborted) throw error
    }
  }
}

const isAway: readonly string[] = ['DISCONNECTED', 'TIMEOUT', 'UNAVAILABLE']

/** The identity of last time, or a new one that is kept for next time, and each of its refresh tokens. */
async function signInAgain(httpUrl: string, { env, out }: Context): Promise<Identity> {
  const file = IdentityFile.of(env)
  let kept = file.refreshToken(httpUrl)
  const keep = ({ refreshToken }: Identity) => {
    if (refreshToken === undefined || refreshToken === kept) return
    kept = refreshToken
    try {
      file.keep(httpUrl, refreshToken)
    } catch (error) {
      // What was asked for can be done all the same.
      const reason = error instanceof Error ? error.message : String(error)
      out.news(
        { event: 'identity_not_kept', message: reason },
        ({ yellow }) => `${yellow('!')} ${reason} “parley rooms” will not know what is made now.`,
      )
    }
  }
  const enter = async () => {
    const identity = await signIn(httpUrl, { refreshToken: kept })
    keep(identity)
    return identity
  }
  // Of several programs that start at once the first one makes the identity, and the others have the same.
  const enterFirst = () => {
    kept = file.refreshToken(httpUrl)
    return enter()
  }
  const identity = await (kept === undefined ? file.alone(enterFirst) : enter())
  const keeping = async (token: Promise<string>) => {
    const idToken = await token
    if (identity.refreshToken !== kept) await file.alone(() => keep(identity))
    return idToken
  }
  return {
    get username() {
      return identity.username
    },
    get refreshToken() {
      return identity.refreshToken
    },
    token: () => keeping(identity.token()),
    renew: () => keeping(identity.renew()),
  }
}
