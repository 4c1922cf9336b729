import type { JsonObject } from '@parley/protocol'

/**
 * What two peers with this library say to each other beside the description or candidate itself, as the member `parley`
 * of a signal. Other peers ignore it, and say nothing of the kind.
 */
export interface LinkNote {
  /** Names one attempt to connect, from its first offer on, so that what belongs to an earlier one is not taken for it. */
  readonly link: string
  /** Whether the WebRTC of the sender can restart ICE. */
  readonly restart: boolean
  /** Whether this is the offer that the connection begins with. */
  readonly begins: boolean
  /** Whether the sender of this offer will say by `answered` when it has taken the answer. */
  readonly confirms: boolean
  /** Whether this says that, and nothing else. */
  readonly answered: boolean
}

/** The note in a signal; undefined if its sender does not write any. */
export function noteIn({ parley }: JsonObject): LinkNote | undefined {
  const { link, ...said } = members(parley)
  const says = (member: string) => said[member] === true
  return typeof link === 'string'
    ? {
        link,
        restart: says('restart'),
        begins: says('begins'),
        confirms: says('confirms'),
        answered: says('answered'),
      }
    : undefined
}

/** What they say to each other in the payload of a `peer_message`. */
export interface LinkWord {
  readonly link: string
  /** `declined`: will not connect. `restart`: whoever of the two does that should restart ICE. */
  readonly word: 'declined' | 'restart'
}

export const payloadOf = (word: LinkWord): JsonObject => ({ parley: word })

/** The word in a payload; undefined if it is somebody else's. */
export function wordIn(payload: unknown): LinkWord | undefined {
  const { link, word } = members(members(payload).parley)
  if (typeof link !== 'string' || (word !== 'declined' && word !== 'restart')) return undefined
  return { link, word }
}

/** What an object says; nothing, if it is none. */
const members = (value: unknown): JsonObject => Object(value)
