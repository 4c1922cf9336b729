import type { Clock } from '../../clock.ts'
import { withTimeout } from '../../resilience/deadline.ts'
import type { Node } from '../cluster.ts'
import type { Commands } from './commands.ts'

/** In so many answered readings running a counter must stand still before its node is called. */
const stillReadings = 4

/** The same where nothing listens at its address any more, as with a process that has ended. One that hangs refuses nothing. */
const stillIfRefused = 2

/** So many readings in a row must be answered before anybody is called: else those that come back to Redis later would seem silent. */
const calmReadings = 5

/** Milliseconds in which a node must answer at its address. */
const callWithin = 1_000

/** Another node, as this one has read of it. */
interface Other {
  counter: string
  /** For how many answered readings running the counter has stood still, or was missing. */
  still: number
  /** Undefined until what it has written of itself was read. */
  node: Node | undefined
  isExamined: boolean
}

export interface Membership {
  others(): readonly Node[]
  /** Others may have been kept from their turns: a reading was not answered, or there is a new connection. */
  disturb(): void
  /** Takes in a reading. Resolves, and never rejects, when all is done that follows from it. */
  read(counters: ReadonlyMap<string, string>): Promise<void>
}

export interface MembershipParts {
  readonly self: Node
  readonly clock: Clock
  readonly commands: Commands
  call(node: Node): Promise<boolean>
  /** Whether the last connection to the node was refused. */
  refuses(id: string): boolean
  /** It has been struck off. Must not throw. */
  died(node: Node): void
}

/** Who else is there. Each node judges by itself: it strikes off only what neither moves nor answers. */
export function membership({ self, clock, commands, call, refuses, died }: MembershipParts): Membership {
  const others = new Map<string, Other>()
  let answered = 0

  function takeIn(counters: ReadonlyMap<string, string>): void {
    for (const [id, counter] of counters) {
      if (id !== self.id && !others.has(id)) others.set(id, { counter, still: -1, node: undefined, isExamined: false })
    }
    for (const [id, other] of others) {
      const counter = counters.get(id) ?? other.counter
      other.still = counter === other.counter ? other.still + 1 : 0
      other.counter = counter
    }
  }

  /** Reads of those who are new, and of those who are missing whether they have left. */
  async function introduce(counters: ReadonlyMap<string, string>): Promise<void> {
    const ids = [...others].filter(([id, { node }]) => !node || !counters.has(id)).map(([id]) => id)
    if (ids.length === 0) return
    const known = await commands.known(ids)
    for (const [i, id] of ids.entries()) {
      const node = known[i]
      const other = others.get(id)
      if (node === 'left' && !counters.has(id)) others.delete(id)
      else if (node && node !== 'left' && other) other.node ??= node
    }
  }

  const answers = (node: Node) => withTimeout(clock, callWithin, undefined, async () => call(node)).catch(() => false)

  async function examine(id: string, other: Other): Promise<void> {
    other.isExamined = true
    try {
      const { node, counter } = other
      // One that lives writes of itself at each turn. So what has no address has not moved for a day.
      if (node && (await answers(node))) {
        other.still = 0
        return
      }
      if (!(await commands.strike(id, counter)) || others.get(id) !== other) return
      others.delete(id)
      if (node) died(node)
    } finally {
      other.isExamined = false
    }
  }

  return {
    others: () => [...others.values()].flatMap(({ node }) => node ?? []),
    disturb() {
      answered = 0
    },
    async read(counters) {
      answered++
      takeIn(counters)
      // Whatever Redis does not answer here is asked again after the next reading.
      await introduce(counters).catch(() => {})
      if (answered < calmReadings) return
      const isSuspect = ([id, { still, isExamined }]: [string, Other]) =>
        !isExamined && still >= (refuses(id) ? stillIfRefused : stillReadings)
      const suspects = [...others].filter(isSuspect)
      await Promise.allSettled(suspects.map(([id, other]) => examine(id, other)))
    },
  }
}
