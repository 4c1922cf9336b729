import type { Clock } from '../../clock.ts'
import { adapterTimeout, TimedOut, withDeadline } from '../../resilience/deadline.ts'
import { keyedMutex } from '../../resilience/semaphore.ts'
import type { Placement } from '../cluster.ts'
import type { Commands } from './commands.ts'
import { highestNumbers } from './highest-numbers.ts'
import { lastPlacements } from './last-placements.ts'

/** A claim is good for no longer than this, unless it is prolonged; when it is, for this at least. Milliseconds. */
const longest = 86_400_000
const shortest = 300_000

/** A claim is confirmed when it has not been for so long, in portions that take as long again. Milliseconds, turns. */
const confirmAfter = 30_000
const portions = 30

/** Where it is known who had the room before, Redis is waited for no longer than this. Milliseconds. */
const answerWithin = 1_000

/** So many scripts of a sweep are under way at most. */
const atOnce = 50

const silent = 'Redis does not say which node serves the room.'

interface Claim {
  number: number
  /** The epoch of Redis in which it was last seen there. */
  epoch: string
  /** The uptime at which it is of no use any more. */
  endsAt: number
  /** The uptime at which its last confirmation was begun. */
  confirmedAt: number
}

export interface Claims {
  /** While Redis does not answer: what it has last said of a room that another node serves. */
  claim(roomId: string, end: number): Promise<Placement>
  /** The same, without claiming. */
  find(roomId: string): Promise<Placement | undefined>
  release(roomId: string): void
  /** Redis may not have the claims any more, or others': all of them are confirmed at the next sweep. */
  doubt(): void
  /** Confirms what is in doubt and a portion of the rest. Resolves, and never rejects, when that is done, or Redis has failed. */
  sweep(): Promise<void>
}

export interface ClaimsParts {
  /** The id of this node. */
  readonly self: string
  readonly clock: Clock
  readonly commands: Commands
  /** Must not throw. */
  lost(roomId: string, to: Placement): void
  /** A claim has found that this node had no entry, and has written one. */
  wasMissing(): void
}

/** The rooms that this node serves. What is done about one room is done one after another, so answers are of the present. */
export function claims({ self, clock, commands, lost, wasMissing }: ClaimsParts): Claims {
  /** In the order of `confirmedAt`. */
  const held = new Map<string, Claim>()
  /** Those that are to be confirmed now. */
  const due = new Set<string>()
  const seen = highestNumbers()
  const placements = lastPlacements(self)
  const mutex = keyedMutex()
  let workers = 0

  async function take(roomId: string, end: number, by: number): Promise<Placement> {
    const inTime = () => {
      // The caller has been told that it failed, and would not release the room.
      if (clock.uptime() >= by) throw new TimedOut(adapterTimeout)
    }
    inTime()
    const now = clock.uptime()
    const claim = held.get(roomId)
    if (claim) {
      claim.endsAt = now + end
      return confirm(roomId, claim)
    }
    const ms = Math.ceil(Math.max(1, Math.min(end, longest)))
    const outcome = await commands.claim(roomId, seen.of(roomId), ms)
    const { placement, epoch } = outcome
    if (outcome.wasMissing) wasMissing()
    seen.note(roomId, placement.number)
    placements.note(roomId, placement)
    if (placement.node !== self) return placement
    inTime()
    held.set(roomId, { number: placement.number, epoch, endsAt: now + end, confirmedAt: clock.uptime() })
    return placement
  }

  async function confirm(roomId: string, claim: Claim): Promise<Placement> {
    const ms = Math.ceil(Math.min(Math.max(claim.endsAt - clock.uptime(), shortest), longest))
    const { placement, epoch } = await commands.confirm(roomId, claim.number, claim.epoch, ms)
    seen.note(roomId, placement.number)
    claim.number = placement.number
    claim.epoch = epoch
    // Else it was released meanwhile.
    if (placement.node !== self && held.get(roomId) === claim) {
      placements.note(roomId, placement)
      held.delete(roomId)
      lost(roomId, placement)
    }
    return placement
  }

  async function work(): Promise<void> {
    workers++
    for (const roomId of due) {
      due.delete(roomId)
      try {
        await mutex.run(roomId, async () => {
          const claim = held.get(roomId)
          if (claim) await confirm(roomId, claim)
        })
      } catch {
        // The next sweep tries again.
        due.add(roomId)
        break
      }
    }
    workers--
  }

  const waitFor = (roomId: string) => (placements.of(roomId) ? answerWithin : adapterTimeout)

  /** What was asked of Redis, or what it has said before. */
  function orAsBefore<T>(roomId: string, asked: Promise<T>): Promise<T | Placement> {
    return asked.catch(error => {
      const before = placements.of(roomId)
      if (before && !held.has(roomId)) return before
      throw error
    })
  }

  return {
    claim(roomId, end) {
      const by = clock.uptime() + waitFor(roomId)
      const taken = mutex.run(roomId, () => take(roomId, end, by))
      return orAsBefore(roomId, withDeadline(clock, taken, silent, by))
    },
    find(roomId) {
      const found = commands.find(roomId).then(placement => {
        placements.note(roomId, placement)
        return placement
      })
      return orAsBefore(roomId, withDeadline(clock, found, silent, clock.uptime() + waitFor(roomId)))
    },
    release(roomId) {
      const claim = held.get(roomId)
      if (claim) seen.note(roomId, claim.number)
      held.delete(roomId)
      const released = mutex.run(roomId, () => {
        // A claim that was under way has come in between.
        held.delete(roomId)
        return commands.release(roomId)
      })
      // It ends by itself, and a room that another node is sent here for is claimed by then.
      released.catch(() => {})
    },
    doubt() {
      for (const roomId of held.keys()) due.add(roomId)
    },
    async sweep() {
      const now = clock.uptime()
      let portion = Math.ceil(held.size / portions)
      for (const [roomId, claim] of held) {
        if (portion-- === 0 || now - claim.confirmedAt < confirmAfter) break
        claim.confirmedAt = now
        held.delete(roomId)
        held.set(roomId, claim)
        due.add(roomId)
      }
      const begun: Promise<void>[] = []
      // Each takes one of them as it begins.
      while (workers < atOnce && due.size > 0) begun.push(work())
      await Promise.all(begun)
    },
  }
}
