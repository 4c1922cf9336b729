import { type ErrorContext, SignalingError } from './errors.ts'
import { type CheckedForm, isObject, isOptional, isShallow, type JsonObject, type Member } from './forms.ts'
import { limits } from './limits.ts'
import { isPrintable } from './names.ts'
import { isAddressable, type PeerMessage, type PeerType, peerMessages, type Signal } from './peer-messages.ts'
import { quickSignal } from './quick-signal.ts'

/** Characters up to which `quickSignal` takes a time that need not be counted as work. */
const quickUpTo = 16_384

/**
 * Reads a frame of a peer: what it is, and whom it is for. The only door into the server.
 *
 * It reads what JSON.parse reads, so of a key that stands twice the last counts, as it does for the receiver in Python
 * and JavaScript.
 *
 * @param peerIdLength characters that a `peer_id` may have
 * @throws SignalingError INVALID_JSON, INVALID_MESSAGE or UNKNOWN_MESSAGE_TYPE
 */
export function decode(text: string, peerIdLength: number = limits.peerIdLength): PeerMessage {
  const signal = text.length <= quickUpTo ? quickSignal(text) : undefined
  if (signal) return signal
  const message = parse(text)
  switch (message.type) {
    case 'offer':
    case 'answer':
    case 'candidate':
      if (!isSignal(message)) throw invalid(message, 'target must be the peer_id that the message is for.')
      return message
    case undefined:
      throw invalid(message, 'The message has no type.')
    default:
      if (!isPeerType(message.type)) throw unknownType(message)
      return read(message, message.type, peerIdLength)
  }
}

function parse(json: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', undefined, { cause })
  }
  if (!isObject(value)) throw new SignalingError('INVALID_MESSAGE', 'A message is a JSON object.')
  // Each level takes a bracket, and brackets are quickly counted; most messages have too few to be looked at.
  if (hasBrackets(json, limits.nesting) && !isShallow(value, limits.nesting)) {
    throw invalid(value, `Objects and arrays may be nested ${limits.nesting} deep at most.`)
  }
  return value
}

/** Whether there are at least `least` opening brackets in the text, be they in strings or not. */
function hasBrackets(json: string, least: number): boolean {
  if (json.length < 2 * least) return false
  let count = 0
  for (const bracket of ['[', '{']) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) {
      if (++count >= least) return true
    }
  }
  return false
}

const isSignal = (message: JsonObject): message is JsonObject & Signal => typeof message.target === 'string'

const isPeerType = (type: unknown): type is Exclude<PeerType, Signal['type']> =>
  typeof type === 'string' && Object.hasOwn(peerMessages, type)

function unknownType(message: JsonObject): SignalingError {
  const detail =
    typeof message.type === 'string'
      ? `Unknown message type ${JSON.stringify(message.type.slice(0, 64))}.`
      : 'type must be a string.'
  return new SignalingError('UNKNOWN_MESSAGE_TYPE', detail, context(message))
}

/** The message as the table has it: members that it does not name are left out, those that may be missing are there. */
function read(message: JsonObject, type: Exclude<PeerType, Signal['type']>, peerIdLength: number): PeerMessage {
  if (type === 'register') checkRegister(message, peerIdLength)
  const result: JsonObject = { type }
  for (const [name, member] of Object.entries<Member>(peerMessages[type].members)) {
    const value = message[name]
    if (isOptional(member) && (value === undefined || value === null)) {
      result[name] = member.fallback
      continue
    }
    const form = (isOptional(member) ? member.optional : member) as CheckedForm<unknown>
    if (value === undefined) throw invalid(message, `${name} is missing.`)
    // Its length is a setting, and its spelling its own: it is told by the name that it knows itself by.
    if (name === 'peer_id' && type === 'register') result[name] = value
    else if (form.is(value)) result[name] = form.read ? form.read(value) : value
    else throw invalid(message, `${name} ${form.must}.`)
  }
  return result as unknown as PeerMessage
}

/** What a `register` has to have, in the order and the words of the original: an empty string counted as missing. */
function checkRegister(message: JsonObject, peerIdLength: number): void {
  const required = ['peer_id', 'room_id', 'token', 'id_token'] as const
  if (!required.every(name => message[name])) throw invalid(message, 'Missing required fields during registration.')
  for (const name of required) {
    if (typeof message[name] !== 'string') throw invalid(message, `${name} must be a string.`)
  }
  if (!isPrintable(message.peer_id, peerIdLength) || !isAddressable(message.peer_id)) {
    throw invalid(message, `peer_id must be 1 to ${peerIdLength} printable characters, but not "." or "..".`)
  }
}

/** `request_id` as the protocol allows it; undefined for anything else, as plain peers may use the name themselves. */
export const requestIdOf = (message: { readonly request_id?: unknown }): string | undefined =>
  typeof message.request_id === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(message.request_id)
    ? message.request_id
    : undefined

interface Addressed {
  readonly type?: unknown
  readonly request_id?: unknown
  readonly target?: unknown
  readonly to_peer_id?: unknown
  readonly target_peer_id?: unknown
}

/** What an error about `message` repeats of it, so that its sender knows which one failed. */
export function context(message: Addressed): ErrorContext {
  const targetPeerId = shortText(message.target_peer_id)
  return {
    ...(message.type === 'register' && { isRegister: true }),
    requestId: requestIdOf(message),
    target: shortText(message.target) ?? shortText(message.to_peer_id) ?? targetPeerId,
    targetPeerId,
  }
}

const shortText = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= limits.echoLength ? value : undefined

const invalid = (message: JsonObject, detail: string) => new SignalingError('INVALID_MESSAGE', detail, context(message))

/**
 * The signal with its sender named, for the deployed code that leaves `sender` out. Everything else stays as it came.
 * `text` must be a JSON object with at least one member and no `sender`.
 */
export function nameSender(text: string, sender: string): string {
  const open = text.indexOf('{') + 1
  return `${text.slice(0, open)}"sender":${JSON.stringify(sender)},${text.slice(open)}`
}
