import { randomBytes } from 'node:crypto'

/** A name for a peer that nobody has given one, as `worker-1a2b3c4d`. */
export const randomPeerId = (role: string): string => `${role}-${randomBytes(4).toString('hex')}`
