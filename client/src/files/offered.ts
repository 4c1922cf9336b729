import { safeFileName } from './file-name.ts'
import type { IncomingFile } from './incoming-file.ts'
import { mostFolders, type Offer, violation } from './protocol.ts'

/**
 * What an offer says of its file, as far as it can be used.
 * @param mayFolders whether files of folders are welcome
 * @throws ParleyError FILE_FAILED
 */
export function offered(peerId: string, { name, size, mime = '', modified, folder = '' }: Offer, mayFolders: boolean) {
  const [type = ''] = mime.match(/^[\w.+-]+\/[\w.+-]+/) ?? []
  return {
    peerId,
    name: safeFileName(name),
    folders: mayFolders ? safeFolders(folder) : [],
    size,
    type,
    modified: modified === undefined ? undefined : new Date(modified),
  } satisfies Partial<IncomingFile>
}

/** No honest sender says what could lead elsewhere. */
function safeFolders(folder: string): string[] {
  const names = folder === '' ? [] : folder.split('/')
  if (names.length > mostFolders || names.some(name => /^\.{0,2}$/.test(name))) throw violation('folder')
  return names.map(name => safeFileName(name))
}
