/** Milliseconds that a pause between two attempts may have at most. */
export const longestPause = 20_000

/** Half of the longest before number 1. */
const unit = 500

/**
 * Milliseconds before an attempt: none before number 0, anything up to a second before number 1, then up to twice as much as
 * before. Full jitter, so that a thousand peers whose server has restarted do not come back in the same instant.
 * @param random from 0 to 1
 */
export const pauseBefore = (attempt: number, random: number): number =>
  attempt && random * Math.min(longestPause, unit * 2 ** attempt)
