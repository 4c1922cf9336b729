// For pages and programs alike.

/** Bytes that a browser gives at a time. */
const mostRandom = 65_536

/** A file of bytes that nobody can guess. */
export function randomFile(name: string, bytes: number): File {
  const parts = Array.from({ length: Math.ceil(bytes / mostRandom) }, (_, index) =>
    crypto.getRandomValues(new Uint8Array(Math.min(mostRandom, bytes - index * mostRandom))),
  )
  return new File(parts, name)
}

export async function sha256(blob: Blob): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
  return Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('')
}
