import type { Register, SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { LifeSigns } from '../rooms/peer-session.ts'
import type { Frame } from './frames.ts'

/** What a session needs of the connection that its peer speaks over. */
export interface SessionConnection {
  readonly client: Client
  /** Greater than that of each connection that was opened before. */
  readonly serial: number
  /** False once it has ended, or is about to. */
  readonly open: boolean
  readonly life: LifeSigns
  readonly incoming: {
    /** What comes waits. */
    pause(): void
    /** A message was refused: others have their turn sooner. */
    refused(): void
  }
  /** Text frames written so far, as the numbers that pongs confirm count them. */
  readonly written: number
  /** Writes one text frame. False if that could not be taken: the other end does not read, or is gone. */
  write(text: string): boolean
  /** A request is not done yet: what comes after it waits, and so does the end of the connection. */
  hold(): void
  /** It is done now. */
  proceed(): void
  /** Handles a `register` of the peer, which was read from `frame`. */
  register(message: Register, frame: Frame): void
  /** Ends the connection, and what its session is. */
  close(reason: SignalingError): void
  /**
   * The same for a fault of the other end.
   * @param units of work that it is charged, so that it cannot come back at once and go on
   */
  fail(reason: SignalingError, units?: number): void
  /** The same for one that sends too much: what it has still sent is not answered. */
  floods(reason: SignalingError): void
  /** Its peer is in the room no more. */
  released(reason: SignalingError): void
  /** Another connection has the session now: closes this one without a word, and reads it no more. */
  takenOver(): void
}
