/**
 * 128 random bits in hexadecimal. Unlike `crypto.randomUUID` this also works on pages that were not loaded over TLS, as
 * those of a server in one's own network.
 */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
