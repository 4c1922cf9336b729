import { decode, requestIdOf, SignalingError, toSignalingError } from '@parley/protocol'

/** What a peer sends: text, or bytes. */
export type Frame = string | Buffer

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws SignalingError INVALID_JSON if the bytes are not UTF-8 */
export function textOf(frame: Frame): string {
  if (typeof frame === 'string') return frame
  try {
    return utf8.decode(frame)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', undefined, { cause })
  }
}

/** The `request_id` of a message, be it right or wrong, if it has one. */
export function requestIdIn(frame: Frame): string | undefined {
  try {
    return requestIdOf(decode(textOf(frame)))
  } catch (error) {
    return toSignalingError(error).context.requestId
  }
}

/**
 * Whether the message is to be answered by its `request_id`. Null counts as none, as it does everywhere.
 * @throws SignalingError INVALID_MESSAGE if it has one that no answer can bear
 */
export function isRequest(message: { readonly request_id?: unknown }): boolean {
  if (message.request_id === undefined || message.request_id === null) return false
  if (requestIdOf(message) !== undefined) return true
  throw new SignalingError('INVALID_MESSAGE', 'request_id must be 1 to 64 of A-Z, a-z, 0-9, "_", "." and "-".')
}

/** Bytes that a frame takes beside its content, about: many small ones must not take more than is counted. */
const overhead = 64

/** Frames that were taken and are kept until there are so many: to move the others up takes time. */
const mostTaken = 256

/** Frames that wait, in the order in which they came. */
export class WaitingFrames {
  readonly #frames: Frame[] = []
  #next = 0
  #bytes = 0

  /** Of those that still wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Lets one more wait. @returns the bytes of all that wait */
  add(frame: Frame): number {
    this.#frames.push(frame)
    this.#bytes += sizeOf(frame)
    return this.#bytes
  }

  /** Takes out the one that has waited longest; undefined if there is none. */
  take(): Frame | undefined {
    const frame = this.#frames[this.#next]
    if (frame === undefined) return undefined
    this.#next++
    this.#bytes -= sizeOf(frame)
    // At a connection that always has some waiting, those that were taken must not stay.
    if (this.#next >= mostTaken) this.#frames.splice(0, this.#next)
    this.#next %= mostTaken
    return frame
  }

  /** Takes out all. */
  *rest(): Generator<Frame> {
    for (let frame = this.take(); frame !== undefined; frame = this.take()) yield frame
  }
}

const sizeOf = (frame: Frame): number => Buffer.byteLength(frame) + overhead
