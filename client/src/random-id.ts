/**
 * 128 random bits in hexadecimal. Unlike `crypto.randomUUID` this also works on pages that were not loaded over TLS, as
 * those of a server in one's own network.
 */
export const randomId = (): string => crypto.getRandomValues(new Uint32Array(4)).join('')
