import type { Clock } from '../clock.ts'
import type { ParleyError } from '../errors.ts'
import { type Frame, parseFrame } from './protocol.ts'
import { couldNot, errorFrame } from './trouble.ts'

/** Bytes in the send buffer: at most, and those at which it wants more. */
const highWater = 1024 * 1024
const lowWater = highWater / 2

/** Milliseconds that the other side may take to note the last word. */
const farewellWithin = 5_000

/** What a transfer needs of a data channel. */
export type FileChannel = Pick<
  RTCDataChannel,
  'binaryType' | 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'send' | 'close' | 'addEventListener'
>

export interface WireEvents {
  /** What it throws breaks the transfer. */
  frame(frame: Frame): void
  /** The same. */
  bytes(bytes: Uint8Array<ArrayBuffer>): void
  /** The last event: the channel is gone, and nobody on this side has ended it. */
  closed(): void
  /** The other side does not keep to the protocol, or the channel does not take what is sent. */
  broken(error: ParleyError): void
  /** The send buffer is not full any more. */
  drained(): void
}

/** Frames and content over a data channel. */
export interface Wire {
  send(data: Frame | Uint8Array<ArrayBuffer>): void
  /** Whether more is better sent after `drained`. */
  isFull(): boolean
  /** From now on somebody else is told: what a channel is for is known only from its first frame. */
  hand(events: WireEvents): void
  /**
   * There are no events any more. With a last frame, or an error in one, it is the other side who is to close the channel:
   * what stands in front of a close may be lost, in libraries and when the program ends. Resolves when it is closed.
   */
  end(farewell?: Frame | ParleyError): Promise<void>
}

/** Takes over a data channel, which nobody else may use. */
export function wire(channel: FileChannel, clock: Clock, events: WireEvents): Wire {
  const listening = new AbortController()
  const { signal } = listening
  let onClosed = () => {
    if (signal.aborted) return
    listening.abort()
    events.closed()
  }

  const receive = ({ data }: { readonly data: unknown }) => {
    try {
      if (data instanceof ArrayBuffer) events.bytes(new Uint8Array(data))
      else {
        const frame = parseFrame(`${data}`)
        if (frame) events.frame(frame)
      }
    } catch (error) {
      events.broken(couldNot('The file protocol was broken', error))
    }
  }

  const send: Wire['send'] = data => {
    try {
      if (data instanceof Uint8Array) channel.send(data)
      else channel.send(JSON.stringify(data))
    } catch {
      // It has closed. There may be no event of it, as when this side has closed the connection.
      onClosed()
    }
  }

  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = lowWater
  channel.addEventListener('message', receive, { signal })
  channel.addEventListener('bufferedamountlow', () => events.drained(), { signal })
  channel.addEventListener('close', () => onClosed())

  return {
    send,
    isFull: () => channel.bufferedAmount >= highWater,
    hand(to) {
      events = to
    },
    end: farewell =>
      new Promise(resolve => {
        listening.abort()
        let cancel = () => {}
        onClosed = () => {
          cancel()
          channel.close()
          resolve()
        }
        if (farewell) {
          cancel = clock.after(farewellWithin, onClosed)
          send('type' in farewell ? farewell : errorFrame(farewell))
        } else onClosed()
      }),
  }
}
