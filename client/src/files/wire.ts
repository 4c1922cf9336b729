import type { ParleyError } from '../errors.ts'
import { type Frame, parseFrame } from './protocol.ts'
import { couldNot, errorFrame } from './trouble.ts'

/** Bytes in the send buffer: at most, and those at which it wants more. */
const highWater = 1024 * 1024
const lowWater = highWater / 2

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
  /** Sends a last frame, or an error in one, and closes the channel behind it. There are no events any more. */
  end(farewell?: Frame | ParleyError): void
}

/** Takes over a data channel, which nobody else may use. */
export function wire(channel: FileChannel, events: WireEvents): Wire {
  const listening = new AbortController()
  const { signal } = listening

  const lose = () => {
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
      lose()
    }
  }

  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = lowWater
  channel.addEventListener('message', receive, { signal })
  channel.addEventListener('bufferedamountlow', () => events.drained(), { signal })
  channel.addEventListener('close', lose, { signal })

  return {
    send,
    isFull: () => channel.bufferedAmount >= highWater,
    hand(to) {
      events = to
    },
    end(farewell) {
      listening.abort()
      if (farewell) send('type' in farewell ? farewell : errorFrame(farewell))
      channel.close()
    },
  }
}
