import type { RosterChange } from './roster-summary.ts'

/** What happened to the peers of a room, for those to read that were not told at once. Places in it only go up. */
export class RosterJournal {
  #changes: RosterChange[] = []
  /** The place of the first change that is kept. */
  #start = 0
  /** The furthest place that somebody has read to. */
  #readTo = 0
  /** By peer id, the place of its last change. */
  readonly #lastOf = new Map<string, number>()

  get end(): number {
    return this.#start + this.#changes.length
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0
  }

  /**
   * Adds a change. An update that follows another change of the same peer which nobody has read yet adds nothing, as
   * readers are told what a peer is when they read. So one peer cannot fill the journal.
   */
  append(change: RosterChange): void {
    const last = this.#lastOf.get(change.peer.id)
    const unread = last !== undefined && last >= this.#readTo ? this.#changes[last - this.#start] : undefined
    if (isUpdate(change) && unread && !unread.isMove && unread.peer === change.peer && unread.after === change.after)
      return
    this.#lastOf.set(change.peer.id, this.end)
    this.#changes.push(change)
  }

  /** The changes from the place `from` up to the place `to`. */
  slice(from: number, to: number): RosterChange[] {
    return this.#changes.slice(from - this.#start, to - this.#start)
  }

  /** Somebody has read up to this place. */
  readTo(place: number): void {
    this.#readTo = Math.max(this.#readTo, place)
  }

  /** Forgets what stands before this place: everybody has read it. */
  dropTo(place: number): void {
    this.#changes = this.#changes.slice(place - this.#start)
    this.#start = place
    if (this.isEmpty) this.#lastOf.clear()
  }

  clear(): void {
    this.dropTo(this.end)
  }
}

const isUpdate = ({ before, after, isMove }: RosterChange): boolean =>
  !isMove && before !== undefined && after !== undefined
