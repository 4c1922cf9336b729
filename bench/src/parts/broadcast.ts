import { type Comparison, compare, type Loaded } from '../compare.ts'
import { type Audience, bareAudiences, idsOf, parleyAudiences, registrations } from '../load/audiences.ts'
import { clientFrame } from '../load/frames.ts'
import { type PayloadSize, type PayloadType, payloadMessage, payloadSizes, payloadTypes } from '../load/messages.ts'
import { firstText } from '../load/peers.ts'
import { flow } from '../load/saturate.ts'
import type { Wire } from '../load/wire.ts'
import type { Plan } from '../plan.ts'
import { type Subject, startBareRelay, startParley, temporaryFolder } from '../processes.ts'

export interface BroadcastResult extends Comparison {
  readonly type: PayloadType
  readonly bytes: PayloadSize
  readonly rooms: number
  /** In each room, the sender not among them. */
  readonly receivers: number
}

interface Connected {
  readonly subject: Subject
  readonly audiences: readonly Audience<Wire>[]
}

/**
 * What it costs to send one message to all others of a room, by their number; and, where there is but one other, what
 * it costs to send it to that one by name. Where fewer peers are in a room there are more rooms, so that there is
 * always something waiting for the servers.
 */
export async function measureBroadcast(
  plan: Plan['broadcast'],
  say: (line: string) => void,
): Promise<BroadcastResult[]> {
  const results: BroadcastResult[] = []
  const folder = temporaryFolder()
  const [parley, bare] = [await startParley(folder), await startBareRelay(folder)]
  // All before the first measurement: the server closes HTTP connections that are idle meanwhile.
  const frames: Audience<Buffer>[][] = []
  for (const { rooms, receivers } of plan.audiences) {
    frames.push(await registrations(parley.http ?? '', rooms, receivers))
  }
  for (const [index, { rooms, receivers }] of plan.audiences.entries()) {
    const ofParley = { subject: parley, audiences: await parleyAudiences(parley.ws, frames[index] ?? []) }
    const ofBare = { subject: bare, audiences: await bareAudiences(bare.ws, rooms, receivers) }
    for (const type of payloadTypes) {
      if (type === 'peer_message' && receivers > 1) continue
      for (const bytes of payloadSizes) {
        say(`${type} of ${bytes} B, each to ${receivers}`)
        const message = payloadMessage(type, bytes, idsOf(receivers))
        const comparison = await compare(
          await load(ofParley, message, say),
          await load(ofBare, message, say),
          bytes,
          plan,
        )
        results.push({ type, bytes, rooms, receivers, ...comparison })
      }
    }
    for (const { sender, receivers } of [...ofParley.audiences, ...ofBare.audiences]) {
      for (const wire of [sender, ...receivers]) wire.close()
    }
  }
  await Promise.all([parley.stop(), bare.stop()])
  return results
}

/** Reports what a sender is told, since nothing but a refusal is. @throws Error unless everybody gets what was sent */
async function load({ subject, audiences }: Connected, message: string, say: (line: string) => void): Promise<Loaded> {
  for (const { sender, receivers } of audiences) {
    firstText(sender).then(
      text => say(`${subject.name} told a sender ${text}`),
      () => {}, // it was closed
    )
    const texts = Promise.all(receivers.map(firstText))
    sender.send(clientFrame(message))
    const heard = (await Promise.race([texts, Bun.sleep(5000)])) ?? []
    if (heard.length < receivers.length || heard.some(text => text !== message)) {
      throw new Error(`${subject.name} did not pass on ${message} as it is: ${heard[0]}`)
    }
  }
  return { subject, flows: audiences.map(({ sender, receivers }) => flow(sender, receivers, message)) }
}
