import { safeFileName } from './file-name.ts'
import type { IncomingFile } from './incoming-file.ts'
import type { Offer } from './protocol.ts'

/** What an offer says of its file, as far as it can be used. */
export function offered(peerId: string, { name, size, mime = '', modified }: Offer) {
  const [type = ''] = mime.match(/^[\w.+-]+\/[\w.+-]+/) ?? []
  return {
    peerId,
    name: safeFileName(name),
    size,
    type,
    modified: modified === undefined ? undefined : new Date(modified),
  } satisfies Partial<IncomingFile>
}
