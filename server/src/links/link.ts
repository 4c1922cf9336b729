/**
 * What is sent: a relay is one peer's message to others, which may be refused, as its sender is told. An answer is all else:
 * what a node has to say, and what is sent next makes no sense without.
 */
export type Kind = 'relay' | 'answer'

/** What the body of a frame is. Text is UTF-8, and checked to be. */
export type BodyForm = 'text' | 'bytes'

/** The types of frames that links carry, from 16 to 255, each with the form of its body. */
export type FrameTypes = ReadonlyMap<number, BodyForm>

/** The least type that users of links may name; those below are the links' own. */
export const leastType = 16

/**
 * A connection between two nodes that have proved to each other who they are. What one sends, the other receives once and
 * in this order, as long as the link is open; what was under way when it ends may be lost. Plain TCP: somebody on the
 * way could read and alter it.
 */
export interface Link {
  /** The node at the other end. */
  readonly nodeId: string
  /** Whether this node has called the other one. The caller gives out the handles (`Handles`); the other side uses those that it was told. */
  readonly isCaller: boolean
  /** The version of the link protocol that both speak. */
  readonly version: number
  readonly isOpen: boolean
  /** Bytes that wait until the socket takes them. */
  readonly waiting: number
  /**
   * Sends a frame at the end of this turn of the event loop. A string for a type whose form is text, else bytes, which may
   * be changed afterwards.
   * @param handle unsigned, 32 bits
   * @returns false when it will not arrive: the link has ended, or too much waits. A relay leaves a quarter of the bound to
   *   answers; an answer that finds no space ends the link.
   * @throws SignalingError MESSAGE_TOO_BIG when the body is longer than `longestBody` bytes; TypeError or RangeError for a
   *   type, a form or a handle that there is not
   */
  send(type: number, handle: number, body: string | Uint8Array, kind: Kind): boolean
  /** Calls `act` once when the link has ended, at once if it has. Nothing is received afterwards. */
  onClosed(act: (reason: string) => void): void
  /** Ends it. What was sent before still arrives, as far as the socket takes it now. */
  close(): void
}

/** What hears of links. What it throws is logged and ends nothing. */
export interface LinkListener {
  /** Another node has called this one. If it had called before, that link has ended. */
  opened(link: Link): void
  /** A frame has come on a link that was `opened`, or that this node has called; then maybe before its caller goes on. */
  received(link: Link, type: number, handle: number, body: string | Uint8Array): void
}
