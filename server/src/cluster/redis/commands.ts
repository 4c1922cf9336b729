import { type Redis, script } from '../../redis/redis.ts'
import type { Node, Placement } from '../cluster.ts'
import claimText from './claim.lua' with { type: 'text' }
import confirmText from './confirm.lua' with { type: 'text' }
import findText from './find.lua' with { type: 'text' }
import leaveText from './leave.lua' with { type: 'text' }
import releaseText from './release.lua' with { type: 'text' }
import strikeText from './strike.lua' with { type: 'text' }
import turnText from './turn.lua' with { type: 'text' }

const [turn, strike, leave] = [script(turnText), script(strikeText), script(leaveText)]
const [claim, confirm, release] = [script(claimText), script(confirmText), script(releaseText)]
const find = script(findText)

/** How long what is known of a node outlives its last turn, in milliseconds: it clears rubbish, and is nobody's death. */
const knownFor = 86_400_000

/** Stands in the place of what is known of a node that has left, long enough for all to have read it. Milliseconds. */
const hasLeft = 'left'
const hasLeftFor = 600_000

/** How long the number of a room that was released is kept. Milliseconds. */
const rememberedFor = 600_000

/** What a node learns at one of its turns. */
export interface Reading {
  /** Redis had no entry of this node: it was struck off, or Redis has lost its memory. */
  readonly wasMissing: boolean
  /** Another one when Redis has lost its memory. */
  readonly epoch: string
  /** Redis's time of day, milliseconds since the epoch of Unix. */
  readonly time: number
  /** Those of all nodes, by id. */
  readonly counters: ReadonlyMap<string, string>
}

export interface Outcome {
  readonly placement: Placement
  readonly epoch: string
}

/** All that is asked of Redis, for one node. Its members throw what `Redis` throws. */
export interface Commands {
  turn(): Promise<Reading>
  /** What others have written of themselves: `left` of one that has, undefined where there is nothing that this node understands. */
  known(ids: readonly string[]): Promise<readonly (Node | 'left' | undefined)[]>
  /** @returns false if the node lives: its counter has moved */
  strike(id: string, counter: string): Promise<boolean>
  leave(): Promise<void>
  /** @param ms for how long it is good */
  claim(roomId: string, seen: number, ms: number): Promise<Outcome & { readonly wasMissing: boolean }>
  /** @param epoch the one in which `number` was seen in Redis */
  confirm(roomId: string, number: number, epoch: string, ms: number): Promise<Outcome>
  find(roomId: string): Promise<Placement | undefined>
  release(roomId: string): Promise<void>
}

/** @param prefix stands before all keys */
export function commands(redis: Pick<Redis, 'run' | 'send'>, prefix: string, self: Node): Commands {
  const nodes = `${prefix}nodes`
  const epoch = `${prefix}epoch`
  const nodeKey = (id: string) => `${prefix}node:${id}`
  const roomKey = (roomId: string) => `${prefix}room:{${roomId}}`
  const { id, ...others } = self
  const written = JSON.stringify(others)

  return {
    async turn() {
      const args = [id, written, String(knownFor), crypto.randomUUID()]
      const answer = await redis.run(turn, [nodes, nodeKey(id), epoch], args)
      const [missing, name, [seconds, microseconds], pairs] = answer as [number, string, [string, string], string[]]
      const counters = new Map<string, string>()
      for (let i = 0; i < pairs.length; i += 2) counters.set(pairs[i] ?? '', pairs[i + 1] ?? '')
      const time = Number(seconds) * 1000 + Number(microseconds) / 1000
      return { wasMissing: missing === 1, epoch: name, time, counters }
    },
    async known(ids) {
      const texts = (await redis.send('MGET', ...ids.map(nodeKey))) as (string | null)[]
      return texts.map((text, i) => nodeOf(ids[i] ?? '', text))
    },
    strike: async (other, counter) => (await redis.run(strike, [nodes, nodeKey(other)], [other, counter])) === 1,
    async leave() {
      await redis.run(leave, [nodes, nodeKey(id)], [id, hasLeft, String(hasLeftFor)])
    },
    async claim(roomId, seen, ms) {
      const answer = await redis.run(claim, [roomKey(roomId), nodes, epoch], [id, String(seen), String(ms)])
      const [node, number, name, missing] = answer as [string, number, string, number]
      return { placement: { node, number }, epoch: name, wasMissing: missing === 1 }
    },
    async confirm(roomId, held, known, ms) {
      const args = [id, String(held), known, String(ms)]
      const answer = await redis.run(confirm, [roomKey(roomId), nodes, epoch], args)
      const [node, number, name] = answer as [string, number, string]
      return { placement: { node, number }, epoch: name }
    },
    async find(roomId) {
      const answer = (await redis.run(find, [roomKey(roomId), nodes])) as [string, number] | null
      return answer ? { node: answer[0], number: answer[1] } : undefined
    },
    async release(roomId) {
      await redis.run(release, [roomKey(roomId)], [id, String(rememberedFor)])
    },
  }
}

/** Another version of Parley may have written it. */
function nodeOf(id: string, text: string | null): Node | 'left' | undefined {
  if (text === hasLeft) return 'left'
  try {
    const { name, address, version } = JSON.parse(text ?? '{}')
    if (typeof name !== 'string' || typeof address !== 'string' || typeof version !== 'string') return
    return { id, name, address, version }
  } catch {
    return
  }
}
