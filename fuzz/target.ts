/** What is wrong. While an input is made smaller, its fault stays of this kind. */
export interface Fault {
  readonly kind: string
  readonly detail: string
}

export const fault = (kind: string, detail = ''): Fault => ({ kind, detail })

/** A case that went wrong, and the smallest input found that goes wrong in the same way. */
export interface Finding {
  readonly at: number
  readonly fault: Fault
  readonly input: string
}

/** What a target is given for one run of it. */
export interface Run {
  readonly seed: number
  /** The case to begin with. */
  readonly first: number
  /** Says that case `at` begins. False if the run is over, and the case is not to be begun. */
  begin(at: number): boolean
  /** Seconds that may be spent on making the input smaller. */
  readonly shrinkFor: number
  /** Says that it goes on, while a case is made smaller. */
  alive(): void
  /** Counts inputs. */
  count(inputs: number): void
}

/** A part of Parley that is thrown rubbish at. A case is made of the seed and its number alone. */
export interface Target {
  readonly name: string
  /** Resolves with the first case that goes wrong, or when the run is over. */
  run(run: Run): Promise<Finding | undefined>
}
