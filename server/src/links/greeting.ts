import type { Agreed, Handshake, Message } from './handshake.ts'
import type { Wire } from './wire.ts'

/**
 * Goes through a handshake over a wire. One of the two is called, once: `agreed` before anything else that has come is
 * read, so that it can say who uses the wire from then on, if anybody does; or `failed`, when the wire has ended.
 */
export function greet(
  wire: Wire,
  handshake: Handshake & { readonly first?: Message },
  agreed: (agreed: Agreed) => void,
  failed: (reason: string) => void,
): void {
  const say = ({ type, body }: Message) => wire.outbox.add(type, 0, body, body.length)
  wire.user = {
    frame(type, handle, body) {
      const step = handshake.receive(type, handle, body)
      if (step.answer) say(step.answer)
      if (step.fault !== undefined) {
        wire.refuse(step.fault)
        return
      }
      wire.flush()
      if (!step.agreed) return
      wire.user = undefined
      agreed(step.agreed)
    },
    ended: failed,
  }
  if (handshake.first) say(handshake.first)
  wire.flush()
}
