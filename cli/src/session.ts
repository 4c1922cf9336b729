import { ParleyError, serverAddress } from '@parley/client'

/** Where a peer is to be found, and the right to enter: all that `parley connect` needs. As secret as the room. */
export interface Session {
  /** Without a slash at its end. */
  readonly httpUrl: string
  readonly wsUrl: string
  readonly roomId: string
  /** The room's, or that of an invitation. */
  readonly token: string
  readonly peerId: string
}

const form = 'http://HOST:PORT#ROOM/TOKEN/PEER'

/**
 * The session as one line, `http://host:8001#room/token/peer`, and `/` with the address of the WebSocket if that is not
 * where one would look for it. It has nothing in it that a shell takes for its own, but the brackets of an IPv6 address;
 * `quoted` is for those.
 */
export function formatSession({ httpUrl, wsUrl, roomId, token, peerId }: Session): string {
  const parts = [roomId, token, peerId, ...(serverAddress(httpUrl).wsUrl === wsUrl ? [] : [wsUrl])]
  return `${httpUrl.replace(/[!$&'()*;|~`]/g, percent)}#${parts.map(encode).join('/')}`
}

/** As an argument for a shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** @throws ParleyError INVALID_ARGUMENT that says what is wrong with it */
export function parseSession(text: string): Session {
  // Whoever copies a line may copy more than it, as the quotes.
  const trimmed = text.trim().replace(/^(['"])(.*)\1$/, '$2')
  const [server = '', rest, ...more] = trimmed.split('#')
  if (server === '') throw invalid('it is empty')
  if (rest === undefined) throw invalid('there is no # in it; in a shell, put it between quotes')
  if (more.length > 0) throw invalid('there is more than one # in it')
  const parts = rest.split('/')
  if (parts.length < 3) throw invalid('it has been cut off')
  if (parts.length > 4) throw invalid('there is too much in it')
  const [roomId = '', token = '', peerId = '', ws] = parts.map(decode)
  if (roomId === '' || token === '' || peerId === '') throw invalid('a part of it is empty')
  return { ...addresses(server, ws), roomId, token, peerId }
}

/** Whether somebody has meant it to be a session. */
export const looksLikeSession = (text: string): boolean => /^\s*['"]?https?:\/\/[^#]*#/.test(text)

function addresses(server: string, ws: string | undefined) {
  try {
    return serverAddress(server, ws)
  } catch (cause) {
    throw invalid(cause instanceof ParleyError ? `the address ${cause.message.replace(/\.$/, '')}` : `${cause}`, cause)
  }
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`

const encode = (part: string): string => encodeURIComponent(part).replace(/[!'()*~]/g, percent)

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw invalid('a % in it stands alone', cause)
  }
}

const invalid = (what: string, cause?: unknown): ParleyError =>
  new ParleyError('INVALID_ARGUMENT', `This is not a session: ${what}. A session looks like ${form}.`, { cause })
