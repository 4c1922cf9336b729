import type { JsonObject } from '@parley/protocol'

/**
 * What two peers with this library say to each other beside the description or candidate itself, as the member `parley`
 * of a signal. Other peers ignore it, and say nothing of the kind.
 */
export interface NegotiationNote {
  /** Names one attempt to connect, from its first offer on, so that what belongs to an earlier one is not taken for it. */
  readonly link: string
  /** Whether the WebRTC of the sender can restart ICE. */
  readonly restart: boolean
  /** Whether this is the offer that the connection begins with. */
  readonly begins: boolean
  /** Whether the sender of this offer will say `answered` when it has taken the answer. */
  readonly confirms: boolean
  /** Whether the sender asks before it offers, or is asked. */
  readonly turns: boolean
  /** Counts the offers of the sender; an answer has the number of its offer. */
  readonly round: number | undefined
}

/** The note in a signal; undefined if its sender does not write any. */
export function noteIn({ parley }: JsonObject): NegotiationNote | undefined {
  const { link, round, ...said } = members(parley)
  if (typeof link !== 'string') return undefined
  const says = (member: string) => said[member] === true
  return {
    link,
    restart: says('restart'),
    begins: says('begins'),
    confirms: says('confirms'),
    turns: says('turns'),
    round: typeof round === 'number' ? round : undefined,
  }
}

/** What they say to each other in the payload of a `peer_message`. */
export interface NegotiationWord {
  readonly link: string
  /**
   * `declined`: will not connect. `restart`: you made the first offer, so restart ICE. `turn`: let me offer; `go`: go ahead.
   * `refused`: your offer cannot be taken. `failed`: what I have offered was not agreed upon, and I offer it no more.
   * `answered`: I have taken your answer, and you may look for a way to me.
   * `ask`: do you still have this connection? The answer is `known` or `unknown`; `unknown` also answers what is said, or
   * offered, about a connection that is not there.
   */
  readonly word: Word
}

const words = ['declined', 'restart', 'turn', 'go', 'refused', 'failed', 'answered', 'ask', 'known', 'unknown'] as const
type Word = (typeof words)[number]

export const payloadOf = (word: NegotiationWord): JsonObject => ({ parley: word })

/** The word in a payload; undefined if it is somebody else's. */
export function wordIn(payload: unknown): NegotiationWord | undefined {
  const { link, word } = members(members(payload).parley)
  const known = words.find(each => each === word)
  return typeof link === 'string' && known ? { link, word: known } : undefined
}

/** What an object says; nothing, if it is none. */
const members = (value: unknown): JsonObject => Object(value)
