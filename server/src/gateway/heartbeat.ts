import type { Cancel, Clock } from '../clock.ts'

/** A connection as the heartbeat sees it. */
export interface Pulse {
  /** The beat of the last sign of life; whatever comes from the other end sets it to the present one. */
  heardAt: number
  /** In which part of a round it is looked at; the heartbeat's own. */
  part: number
  ping(): void
  /** The other end is gone: ends the connection without a goodbye. */
  giveUp(): void
}

/** Counts the parts of rounds that have gone by. */
export interface Beat {
  readonly now: number
}

export interface Heartbeat {
  readonly beat: Beat
  add(pulse: Pulse): void
  remove(pulse: Pulse): void
  stop(): void
}

/** Rounds in the time after which a connection is given up. */
const rounds = 4

/** Parts that a round is done in, so that ten thousand pings do not hold up the messages between them. */
const parts = 50

/**
 * Pings connections that are silent, and gives up those that have shown no sign of life for `deadAfter` milliseconds.
 * The runtime's own idle timeout would not do: whatever is sent to a dead connection starts it anew.
 */
export function heartbeat(deadAfter: number, clock: Clock): Heartbeat {
  const members = Array.from({ length: parts }, () => new Set<Pulse>())
  const beat = { now: 0 }
  let next = 0
  let cancel: Cancel = plan()

  function plan(): Cancel {
    return clock.after(deadAfter / rounds / parts, () => {
      cancel = plan()
      beat.now++
      for (const pulse of members[beat.now % parts] ?? []) check(pulse, beat)
    })
  }

  return {
    beat,
    add(pulse) {
      next = (next + 1) % parts
      pulse.part = next
      members[next]?.add(pulse)
    },
    remove: pulse => void members[pulse.part]?.delete(pulse),
    stop: () => cancel(),
  }
}

/** Whether there has been no sign of life for longer than a round. */
const isSilent = ({ heardAt }: Pulse, { now }: Beat): boolean => now - heardAt > parts

/** The same for so long that it is worth a question when somebody else wants its place: 3 s, where 45 s end a connection. */
export const isQuiet = ({ heardAt }: Pulse, { now }: Beat): boolean => now - heardAt > parts / 4

function check(pulse: Pulse, beat: Beat): void {
  if (beat.now - pulse.heardAt > (rounds - 1) * parts) pulse.giveUp()
  else if (isSilent(pulse, beat)) pulse.ping()
}
