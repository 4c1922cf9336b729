import { ParleyError } from '../errors.ts'

/**
 * The file protocol, version 1. docs/files.md tells it with an example.
 *
 * One reliable, ordered data channel carries one file; its `protocol` is `parley.file.1`, and whoever opens it is the
 * sender. Text is a frame: a JSON object with a `type`. A type that is not known is ignored; anything else that is not as
 * described here ends the transfer. Binary messages are the content, in order, of at most `chunkBytes` each.
 *
 * 1. The sender sends `offer`. `id` is 128 random bits, and belongs to this transfer also when it goes on over
 *    another channel. `size` and all offsets are counts of bytes.
 * 2. The receiver answers `waiting` at once, for it may have to ask somebody, or have too much to do; then `accept` with
 *    the `offset` from which it wants the content: how much it has of this transfer, which is 0 at first, and again
 *    0 if it has forgotten. The sender goes back to there, but believes no offset beyond what it has sent.
 * 3. The sender sends the content from there to the end, then `done` with the SHA-256 of all of it.
 * 4. The receiver says how much it has written with `progress`, after each `ackBytes` or `ackEvery`. The sender sends at
 *    most `windowBytes` beyond the last offset that it was told; so whoever writes slowly is sent to slowly.
 * 5. When the hash is right and the file is where it belongs, the receiver sends `kept`, with the name that it has there.
 *
 * Either side may send `error` at any time instead: that is the end of the transfer. `DECLINED`: the receiver does not
 * want it; `ABORTED`: that side has cancelled; `FILE_FAILED`: it could not read or write; `CORRUPTED`: what arrived is not
 * what was sent; `TIMEOUT`: nobody has decided. Whoever gets the last word, `kept` or `error`, closes the channel; whoever
 * has said it does so after a while, if the other one does not.
 *
 * A receiver may have the begin of the file from an earlier transfer that was cut off. If the offer says `resume`, it may
 * ask before it accepts: `have`, with the `offset` up to which it has it. The sender answers `hash`, with the SHA-256 of that
 * much of its file. If the receiver comes to the same, it accepts from there, and the sender lets it.
 *
 * A file of a folder has that in its offer: `folder`, the names of the folders above it from the one that is sent, with `/`
 * between, or '' for the top. A folder that is empty is offered itself, with 0 bytes and the MIME type `inode/directory`. A
 * receiver that takes folders says so in `waiting`; without that, the sender ends the transfer.
 *
 * If the channel closes without `kept` or `error`, the sender opens another one, also over a new connection, and sends the
 * same offer. Only the same peer can go on with a transfer. To one that has ended the receiver answers as it did
 * before, so a file whose `kept` was lost is not kept twice. A receiver that takes no files may close the channel without a
 * word: twice, without having answered at all, means that.
 */
export const fileProtocol = 'parley.file.1'

/** Content in one message: what all implementations take. */
export const chunkBytes = 64 * 1024

/** Content that may be on its way or wait to be written. Enough for 80 MB/s at a round trip of 100 ms. */
export const windowBytes = 8 * 1024 * 1024

/** Content, and milliseconds, after which the receiver says how much it has written. */
export const ackBytes = 1024 * 1024
export const ackEvery = 200

/** Of any text in a frame, in UTF-16. */
export const mostCharacters = 1024

/** Folders, one in the other. */
export const mostFolders = 32

export interface Offer {
  readonly type: 'offer'
  readonly id: string
  readonly name: string
  readonly size: number
  /** MIME type. */
  readonly mime?: string | undefined
  /** Milliseconds since the epoch, which is not after it. */
  readonly modified?: number | undefined
  /** 1: this sender answers `have`. */
  readonly resume?: number | undefined
  /** Of a folder: the names of the folders above it, with `/` between. */
  readonly folder?: string | undefined
}

export type Frame =
  | Offer
  /** `folders`: 1, if this receiver takes those. */
  | { readonly type: 'waiting'; readonly folders?: number | undefined }
  | { readonly type: 'have' | 'accept' | 'progress'; readonly offset: number }
  | { readonly type: 'hash' | 'done'; readonly sha256: string }
  | { readonly type: 'kept'; readonly name: string }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

type Members = { readonly [member: string]: string | number }

/** What each frame must have, by example. */
const frames: { readonly [Type in Frame['type']]: Members } = {
  offer: { id: '', name: '', size: 0 },
  waiting: {},
  have: { offset: 0 },
  hash: { sha256: '' },
  accept: { offset: 0 },
  progress: { offset: 0 },
  done: { sha256: '' },
  kept: { name: '' },
  error: { code: '', message: '' },
}

/** What frames may have. */
const optional: Members = { mime: '', modified: 0, resume: 0, folder: '', folders: 0 }

/** All texts are short, and all numbers are counts. */
const isLike = (value: unknown, example: string | number) =>
  typeof value === 'string'
    ? example === '' && value.length <= mostCharacters
    : example === 0 && Number.isSafeInteger(value) && (value as number) >= 0

/** The frame in a text; undefined if its type is not known. @throws ParleyError FILE_FAILED if it is none */
export function parseFrame(text: string): Frame | undefined {
  let frame: { readonly [member: string]: unknown } | null
  try {
    frame = JSON.parse(text)
  } catch {
    throw violation('JSON')
  }
  const type = `${frame?.type}`
  if (!frame || !Object.hasOwn(frames, type)) return undefined
  for (const [member, example] of Object.entries({ ...optional, ...frames[type as Frame['type']] })) {
    const value = frame[member]
    if (!isLike(value, example) && (value !== undefined || !(member in optional))) throw violation(member)
  }
  return frame as Frame
}

/** The other side has sent what it must not. @param what one word */
export const violation = (what: string): ParleyError =>
  new ParleyError('FILE_FAILED', `The other peer broke the file protocol (${what}).`)
