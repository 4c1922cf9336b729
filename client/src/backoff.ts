/** Milliseconds that a pause between two attempts may have at most. */
export const longestPause = 20_000

/** Of the second attempt; it doubles from there. */
const firstPause = 500

/**
 * Milliseconds before an attempt: none before the first, then anything up to twice as much as before. Full jitter, so
 * that a thousand peers whose server has restarted do not come back in the same instant.
 * @param attempt counts from 1
 * @param random from 0 to 1
 */
export const pauseBefore = (attempt: number, random: number): number =>
  attempt <= 1 ? 0 : random * Math.min(longestPause, firstPause * 2 ** (attempt - 1))
