import type { LeaveReason, ServerMessage } from '@parley/protocol'
import type { Cancel, Clock } from '../clock.ts'
import { sliceUnits, type TimeSlices } from '../time-slices.ts'
import { workOfSending } from '../work-budget.ts'
import { type Channels, meet, type Peer } from './room.ts'
import { RosterJournal } from './roster-journal.ts'
import { type RosterChange, RosterSummary, viewOf } from './roster-summary.ts'

/**
 * In each window of this many milliseconds, a room sends this many messages that tell of one change each. From then on it
 * gathers the changes, and at the window's end each peer is told of all in one message: 500 joins at once cost each peer a
 * few messages, not 500.
 */
export const presenceWindow = { ms: 200, messages: 200 } as const

/** Subscribers that are being told of what was gathered. */
interface Pass {
  readonly readers: Iterator<Peer>
  /** The end of the journal when the pass began. */
  readonly end: number
  /** What has been written already, by where the reader was and by its channels. */
  readonly summaries: Map<string, RosterSummary>
}

/**
 * Tells the peers of one room that asked for presence what happens to the others, each in the order of its happening.
 *
 * What is gathered stands in one journal, and each subscriber has a place in it. So a change costs the same, however many
 * are to be told of it, and telling them can be done in slices.
 */
export class Presence {
  /** Each with its place in the journal. */
  readonly #subscribers = new Map<Peer, number>()
  readonly #journal = new RosterJournal()
  /** Messages sent in this window. */
  #sent = 0
  #isGathering = false
  #cancelWindow: Cancel | undefined
  #pass: Pass | undefined

  constructor(
    private readonly clock: Clock,
    private readonly slices: TimeSlices,
  ) {}

  /** How many are told. */
  get audience(): number {
    return this.#subscribers.size
  }

  /** From now on the peer is told, if it asked for that. */
  add(peer: Peer): void {
    if (peer.features.has('presence')) this.#subscribers.set(peer, this.#journal.end)
    this.#journal.readTo(this.#journal.end)
  }

  remove(peer: Peer): void {
    this.#subscribers.delete(peer)
  }

  joined(peer: Peer): void {
    this.#announce({ peer, before: undefined, after: peer.channels })
  }

  left(peer: Peer, reason: LeaveReason): void {
    this.#announce({ peer, before: peer.channels, after: undefined, reason })
  }

  updated(peer: Peer): void {
    this.#announce({ peer, before: peer.channels, after: peer.channels })
  }

  /**
   * The peer was in the channels `before`, and is in others now. Those that come into each other's sight see each other
   * join, those that get out of it see each other leave.
   */
  moved(peer: Peer, before: Channels): void {
    this.#announce({ peer, before, after: peer.channels, isMove: true })
    const place = this.#subscribers.get(peer)
    if (place === undefined) return
    // What was gathered is told as the peer was to see it.
    this.#tell(peer, place, this.#journal.end, before)
    const changes = changesInSight(peer, before)
    if (changes.length === 0) return
    this.#openWindow()
    if (changes.length <= presenceWindow.messages - this.#sent) {
      for (const change of changes) this.#send(peer, textOf(change, peer.channels))
    } else this.#send(peer, new RosterSummary(changes, peer.channels).textFor(peer.id))
  }

  /** Tells everybody something of the room, and before it what is still waiting. */
  proclaim(message: ServerMessage): void {
    this.#catchUp()
    const text = JSON.stringify(message)
    for (const subscriber of this.#subscribers.keys()) this.#send(subscriber, text)
  }

  /** Tells nobody anything more. */
  close(): void {
    this.#cancelWindow?.()
    this.#cancelWindow = undefined
    this.#pass = undefined
    this.#isGathering = false
    this.#subscribers.clear()
    this.#journal.clear()
  }

  #announce(change: RosterChange): void {
    if (this.#subscribers.size === 0) return
    if (this.#isGathering) {
      this.#journal.append(change)
      return
    }
    this.#openWindow()
    if (this.#sent + this.#subscribers.size <= presenceWindow.messages) {
      this.#tellAll(change)
      return
    }
    this.#isGathering = true
    this.#journal.append(change)
    // In a large room the first change is told at once, too, but in slices.
    if (this.#sent === 0) this.#beginPass()
  }

  #tellAll(change: RosterChange): void {
    for (const subscriber of this.#subscribers.keys()) {
      if (subscriber !== change.peer) this.#send(subscriber, textOf(change, subscriber.channels))
    }
  }

  #openWindow(): void {
    this.#cancelWindow ??= this.clock.after(presenceWindow.ms, () => {
      this.#cancelWindow = undefined
      if (!this.#pass) {
        this.#sent = 0
        if (this.#isGathering) this.#beginPass()
      }
      // What is told now counts in the next window, so that a room that stays restless goes on gathering.
      if (this.#sent > 0 || this.#isGathering) this.#openWindow()
    })
  }

  /** Tells everybody what was gathered so far, in slices. */
  #beginPass(): void {
    const pass = this.#newPass()
    this.slices.add(() => (pass === this.#pass ? this.#continue(pass, sliceUnits) : { units: 0, isDone: true }))
  }

  /** Tells everybody all that was gathered, at once. */
  #catchUp(): void {
    if (this.#pass) this.#continue(this.#pass, Number.POSITIVE_INFINITY)
    if (!this.#journal.isEmpty) this.#continue(this.#newPass(), Number.POSITIVE_INFINITY)
  }

  #newPass(): Pass {
    this.#pass = { readers: this.#subscribers.keys(), end: this.#journal.end, summaries: new Map() }
    return this.#pass
  }

  /** Goes on with a pass, until that has taken `most` units of work. */
  #continue(pass: Pass, most: number): { units: number; isDone: boolean } {
    let units = 0
    while (units < most) {
      const { value: subscriber, done } = pass.readers.next()
      if (done) {
        this.#pass = undefined
        this.#journal.dropTo(pass.end)
        this.#isGathering = !this.#journal.isEmpty
        return { units, isDone: true }
      }
      const place = this.#subscribers.get(subscriber) ?? pass.end
      units += 0.1 + this.#tell(subscriber, place, pass.end, subscriber.channels, pass.summaries)
    }
    return { units, isDone: false }
  }

  /** Tells a subscriber what stands in the journal from `place` to `end`. @returns the units of work that this took */
  #tell(
    subscriber: Peer,
    place: number,
    end: number,
    channels: Channels,
    summaries = new Map<string, RosterSummary>(),
  ): number {
    if (place >= end) return 0
    this.#subscribers.set(subscriber, end)
    this.#journal.readTo(end)
    const key = `${place} ${[...channels].sort().join('\n')}`
    let written = summaries.get(key)
    let units = 0
    if (!written) {
      const changes = this.#journal.slice(place, end)
      written = new RosterSummary(changes, channels)
      summaries.set(key, written)
      units += changes.length / 5
    }
    const text = written.textFor(subscriber.id)
    this.#send(subscriber, text)
    return text === undefined ? units : units + workOfSending(text.length, 1)
  }

  /**
   * Sends what there is to tell, if anything. One that does not read would keep a wrong picture of the room; it does better
   * to come back and see.
   */
  #send(subscriber: Peer, text: string | undefined): void {
    if (text === undefined) return
    this.#sent++
    subscriber.session.tell(text)
  }
}

/** One change as one message, for a reader in these channels; undefined if it sees nothing of it. */
function textOf(change: RosterChange, channels: Channels): string | undefined {
  const view = viewOf(change, channels)
  if (view === undefined) return undefined
  const { peer } = change
  if (view !== 'left') return `{"type":"peer_${view}","peer":${peer.described}}`
  return JSON.stringify({ type: 'peer_left', peer_id: peer.id, reason: change.reason ?? 'left' })
}

/** The others that `peer` sees come or go, as it was in the channels `before`. */
function changesInSight(peer: Peer, before: Channels): RosterChange[] {
  const changes: RosterChange[] = []
  for (const other of peer.room.peers.values()) {
    if (other === peer) continue
    const saw = meet(other.channels, before)
    if (saw === meet(other.channels, peer.channels)) continue
    // As `peer` sees it: the other one was in its channels, or is.
    changes.push({ peer: other, before: saw ? peer.channels : undefined, after: saw ? undefined : peer.channels })
  }
  return changes
}
