import type { Cancel, Clock } from '../clock.ts'

/** A connection as the heartbeat sees it. */
export interface Pulse {
  /** Rounds since the last sign of life; whatever comes from the other end sets it to 0. */
  silentRounds: number
  /** In which part of a round it is looked at; the heartbeat's own. */
  part: number
  ping(): void
  /** The other end is gone: ends the connection without a goodbye. */
  giveUp(): void
}

export interface Heartbeat {
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
  let next = 0
  let turn = 0
  let cancel: Cancel = plan()

  function plan(): Cancel {
    return clock.after(deadAfter / rounds / parts, () => {
      cancel = plan()
      turn = (turn + 1) % parts
      for (const pulse of members[turn] ?? []) check(pulse)
    })
  }

  return {
    add(pulse) {
      next = (next + 1) % parts
      pulse.part = next
      members[next]?.add(pulse)
    },
    remove: pulse => void members[pulse.part]?.delete(pulse),
    stop: () => cancel(),
  }
}

function check(pulse: Pulse): void {
  if (pulse.silentRounds >= rounds - 1) {
    pulse.giveUp()
    return
  }
  // In the first silent round it may still have spoken a moment ago.
  if (pulse.silentRounds > 0) pulse.ping()
  pulse.silentRounds++
}
