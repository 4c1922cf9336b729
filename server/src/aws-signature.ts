/** AWS's names for a signature of another time than its own, or of another key (the AWS SDK's CLOCK_SKEW_ERROR_CODES). */
const badSignatures = ['InvalidSignatureException', 'RequestExpired', 'RequestTimeTooSkewed', 'SignatureDoesNotMatch']

/**
 * Whether a request was refused only for the time in its signature (AWS takes 5 minutes to either side), and is worth another
 * try. The SDK has then learnt AWS's time from the answer, and signs the next try by it. It does not say so where this computer's
 * clock was wrong before and is right now, or was set meanwhile, so a first try is always worth another one.
 * @param isFirst whether it was the first try
 */
export const mayBeSkew = (error: unknown, isFirst: boolean): boolean =>
  error instanceof Error &&
  badSignatures.includes(error.name) &&
  (isFirst || ('$metadata' in error && Object.hasOwn(Object(error.$metadata), 'clockSkewCorrected')))
