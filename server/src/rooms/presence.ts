import { type LeaveReason, type ServerMessage, SignalingError } from '@parley/protocol'
import type { Cancel, Clock } from '../clock.ts'
import { describe, type Peer } from './room.ts'

/** Something that happened to a peer, as those who may know of it see it. */
export type RosterEvent =
  | { readonly kind: 'joined' | 'updated'; readonly peer: Peer }
  | { readonly kind: 'left'; readonly peer: Peer; readonly reason: LeaveReason }

/**
 * In each window of this many milliseconds, a room sends this many messages that tell of one event each. From then on it
 * gathers the events, and at the window's end each peer is told of all in one message: 500 joins at once cost each peer a
 * few messages, not 500.
 */
export const presenceWindow = { ms: 200, messages: 200 } as const

/** Tells the peers of one room that asked for presence what happens to the others, each in the order of its happening. */
export class Presence {
  readonly #subscribers = new Set<Peer>()
  /** Messages sent in this window. */
  #sent = 0
  #isGathering = false
  #cancelWindow: Cancel | undefined

  constructor(private readonly clock: Clock) {}

  add(peer: Peer): void {
    if (peer.features.has('presence')) this.#subscribers.add(peer)
  }

  remove(peer: Peer): void {
    this.#subscribers.delete(peer)
    peer.waiting = undefined
  }

  /** Tells everybody of whom `mayKnow` is true, but for the peer itself. */
  announce(event: RosterEvent, mayKnow: (subscriber: Peer) => boolean): void {
    if (this.#subscribers.size === 0) return
    this.#openWindow()
    const text = this.#isGathering ? '' : JSON.stringify(messageOf(event))
    for (const subscriber of this.#subscribers) {
      if (subscriber !== event.peer && mayKnow(subscriber)) this.#pass(subscriber, event, text)
    }
  }

  /** Tells `subscriber` alone, if it asked for presence. */
  tell(subscriber: Peer, event: RosterEvent): void {
    if (!this.#subscribers.has(subscriber)) return
    this.#openWindow()
    this.#pass(subscriber, event, this.#isGathering ? '' : JSON.stringify(messageOf(event)))
  }

  /** Tells everybody something of the room, and before it what is still waiting. */
  proclaim(message: ServerMessage): void {
    this.#flush()
    const text = JSON.stringify(message)
    for (const subscriber of this.#subscribers) this.#send(subscriber, text)
  }

  close(): void {
    this.#cancelWindow?.()
    for (const subscriber of [...this.#subscribers]) this.remove(subscriber)
  }

  #openWindow(): void {
    this.#isGathering ||= this.#sent >= presenceWindow.messages
    this.#cancelWindow ??= this.clock.after(presenceWindow.ms, () => {
      this.#cancelWindow = undefined
      this.#sent = 0
      this.#flush()
      // What was flushed counts in the next window, so that a room that stays restless goes on gathering.
      if (this.#sent > 0) this.#openWindow()
    })
  }

  #flush(): void {
    this.#isGathering = false
    const entries = new Map<Peer, string>()
    for (const subscriber of this.#subscribers) {
      const { waiting } = subscriber
      subscriber.waiting = undefined
      const text = waiting && summaryOf(waiting, entries)
      if (text !== undefined) this.#send(subscriber, text)
    }
  }

  #pass(subscriber: Peer, event: RosterEvent, text: string): void {
    if (!this.#isGathering) {
      this.#send(subscriber, text)
      return
    }
    subscriber.waiting ??= []
    subscriber.waiting.push(event)
  }

  /** One that does not read would keep a wrong picture of the room; it does better to come back and see. */
  #send(subscriber: Peer, text: string): void {
    this.#sent++
    if (!subscriber.link.deliver(text)) subscriber.link.close(new SignalingError('SLOW_CONSUMER'))
  }
}

const messageOf = (event: RosterEvent): ServerMessage =>
  event.kind === 'left'
    ? { type: 'peer_left', peer_id: event.peer.id, reason: event.reason }
    : { type: `peer_${event.kind}`, peer: describe(event.peer) }

/**
 * The events as one `peers_changed`: of each peer what it was for the reader before them, and what it is now. Undefined
 * if all in all nothing has changed.
 * @param entries what has been written of a peer already, since many readers are told the same
 */
function summaryOf(events: readonly RosterEvent[], entries: Map<Peer, string>): string | undefined {
  const histories = new Map<string, { first: RosterEvent; last: RosterEvent; left?: RosterEvent & { kind: 'left' } }>()
  for (const event of events) {
    const history = histories.get(event.peer.id) ?? { first: event, last: event }
    history.last = event
    if (event.kind === 'left') history.left = event
    histories.set(event.peer.id, history)
  }
  const joined: string[] = []
  const left: string[] = []
  const updated: string[] = []
  for (const { first, last, left: departure } of histories.values()) {
    const wasThere = first.kind !== 'joined'
    if (wasThere && departure) left.push(JSON.stringify({ peer_id: departure.peer.id, reason: departure.reason }))
    if (last.kind === 'left') continue
    const isNew = !wasThere || departure !== undefined
    ;(isNew ? joined : updated).push(entryOf(last.peer, entries))
  }
  if (joined.length + left.length + updated.length === 0) return undefined
  return `{"type":"peers_changed","joined":[${joined}],"left":[${left}],"updated":[${updated}]}`
}

function entryOf(peer: Peer, entries: Map<Peer, string>): string {
  const entry = entries.get(peer) ?? JSON.stringify(describe(peer))
  entries.set(peer, entry)
  return entry
}
