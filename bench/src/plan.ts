/** How long two servers are compared with as much to do as they can. */
export interface Saturation {
  readonly rounds: number
  /** Seconds on each server in each round. */
  readonly seconds: number
  readonly warmUpSeconds: number
}

/** How much is measured, and how long: the bounds of the load. */
export interface Plan {
  readonly pairs: number
  readonly relay: Saturation
  readonly latency: {
    readonly rounds: number
    readonly seconds: number
    readonly perSecond: number
  }
  readonly broadcast: Saturation & {
    /** Rooms that a message is sent in at once, and how many it reaches in each. */
    readonly audiences: readonly { readonly rooms: number; readonly receivers: number }[]
  }
  readonly idle: {
    readonly connections: number
    readonly roomSize: number
    /** Handshakes under way at once. */
    readonly atOnce: number
    /** Registrations sent and not yet answered. */
    readonly registeringAtOnce: number
    readonly warmUps: number
    /** Resident memory counts as settled when it stands still this long. */
    readonly settleSeconds: number
  }
}

export const full: Plan = {
  pairs: 50,
  relay: { rounds: 9, seconds: 2, warmUpSeconds: 3 },
  latency: { rounds: 5, seconds: 3, perSecond: 10_000 },
  broadcast: {
    rounds: 7,
    seconds: 1,
    warmUpSeconds: 1,
    audiences: [
      { rooms: 50, receivers: 1 },
      { rooms: 10, receivers: 10 },
      { rooms: 2, receivers: 100 },
    ],
  },
  idle: {
    connections: 10_000,
    roomSize: 100,
    atOnce: 200,
    registeringAtOnce: 10_000,
    warmUps: 2_000,
    settleSeconds: 30,
  },
}

/** A smoke test: shows that the bench works, and nothing about the servers. */
export const quick: Plan = {
  pairs: 5,
  relay: { rounds: 1, seconds: 0.1, warmUpSeconds: 0.1 },
  latency: { rounds: 1, seconds: 0.1, perSecond: 2_000 },
  broadcast: {
    rounds: 1,
    seconds: 0.1,
    warmUpSeconds: 0.1,
    audiences: [
      { rooms: 5, receivers: 1 },
      { rooms: 2, receivers: 10 },
    ],
  },
  idle: { connections: 200, roomSize: 20, atOnce: 50, registeringAtOnce: 200, warmUps: 20, settleSeconds: 0.4 },
}
