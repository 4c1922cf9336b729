import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Lower-case letters and digits without those that look alike: no i, l, o, u, 0, 1. */
const alphabet = 'abcdefghjkmnpqrstvwxyz23456789'
const roomIdLength = 13

/** An id that nobody guesses by chance: 13 of 30 symbols, 63.8 bits. */
export function newRoomId(): string {
  let id = ''
  while (id.length < roomIdLength) {
    for (const byte of randomBytes(roomIdLength)) {
      // Bytes from 240 on would make the first symbols likelier than the last.
      if (byte < 240 && id.length < roomIdLength) id += alphabet[byte % alphabet.length]
    }
  }
  return id
}

/** 192 random bits, URL-safe. */
export const newRoomToken = (): string => randomBytes(24).toString('base64url')

/** Compares in a time that tells nothing of either: their digests have one length. */
export const sameSecret = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
