/** How large the attacks are, and how long they are measured. */
export interface AbusePlan {
  /** Seconds before, without the attack, and during it. */
  readonly quietSeconds: number
  readonly attackSeconds: number
  /** Messages a second between the two peers of the undisturbed room. */
  readonly perSecond: number
  /** Peers in the room that is attacked, the attacker among them. */
  readonly peers: number
  /** Rooms of the attacker, each with as many invitations. */
  readonly ownRooms: number
  readonly invites: number
  /** Rooms with a peer of the same name. */
  readonly namesakes: number
  /** Connections of an attack that takes many. */
  readonly connections: number
  /** Bytes of the largest messages. */
  readonly mostBytes: number
}

export const full: AbusePlan = {
  quietSeconds: 4,
  attackSeconds: 6,
  perSecond: 500,
  peers: 1000,
  ownRooms: 100,
  invites: 100,
  namesakes: 8000,
  connections: 64,
  mostBytes: 1_000_000,
}

/** A smoke test: shows that the attacks are carried out, and nothing about the server. */
export const quick: AbusePlan = {
  quietSeconds: 0.3,
  attackSeconds: 0.4,
  perSecond: 500,
  peers: 20,
  ownRooms: 4,
  invites: 4,
  namesakes: 20,
  connections: 4,
  mostBytes: 100_000,
}
