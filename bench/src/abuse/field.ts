import type { RoomKey } from '../load/peers.ts'
import type { AbusePlan } from './plan.ts'

/** What came of an attack. */
export interface Tally {
  /** Messages, requests or connections that were sent off. */
  sent: number
  accepted: number
  /** By the code of the error, or the status of the answer. */
  readonly refused: Record<string, number>
  /** Connections that the server ended. */
  closed: number
  /** Attempts to connect and enter that came to nothing, and the last reason. */
  failed: number
  failure: string
}

export const emptyTally = (): Tally => ({ sent: 0, accepted: 0, refused: {}, closed: 0, failed: 0, failure: '' })

export const countRefused = ({ refused }: Tally, code: string): void => {
  refused[code] = (refused[code] ?? 0) + 1
}

/** What was made on the server before it was started for the attack. */
export interface Furniture {
  /** The attacker's, who has created the room. */
  readonly idToken: string
  readonly room: RoomKey
  /** Copies of that room, which differ in their ids only. */
  readonly copies: readonly string[]
}

/** What an attack has to work with. */
export interface Field {
  readonly ws: string
  readonly http: string
  readonly plan: AbusePlan
  readonly tally: Tally
  /** The attacker's identity. */
  readonly idToken: string
  readonly furniture: Furniture | undefined
}

/** Gets ready, and resolves with what begins the attack, which then goes on until the process is killed. */
export type Attack = (field: Field) => Promise<() => void>

/** Where the attacker's connections come from. */
export const attackerAddress = '127.0.0.2'

/** Peers that share an identity and an address, where they have nothing to do with the attacker. */
const strangersTogether = 50

/** The address of the n-th group of strangers. */
export const addressOf = (group: number): string => `127.0.${1 + Math.floor(group / 200)}.${1 + (group % 200)}`

/** Which group a stranger belongs to. */
export const groupOf = (stranger: number): number => Math.floor(stranger / strangersTogether)
