import type { Room, Unsubscribe } from '@parley/client'
import {
  type FileHandler,
  type FileReceipt,
  type FileSource,
  onFile,
  sendFile,
  type TransferOptions,
} from '@parley/client/files'
import { Chat } from './chat.ts'
import { nodeSha256 } from './files/node-sha256.ts'
import type { Output } from './output.ts'

/** How text and files travel between peers. Programs of the Python server's time have ways of their own. */
export interface Means {
  readonly talk: Pick<Chat, 'add' | 'open' | 'say' | 'close'>
  /** Sends a file, also over a connection that has to be made for it. @throws ParleyError */
  sendFile(peerId: string, source: FileSource, options: TransferOptions): Promise<FileReceipt>
  /** Hands each file that comes to `handler`, until the result is called: then what is under way ends. */
  onFile(handler: FileHandler): Unsubscribe
}

/** Parley's own: text over a channel of its own, files as docs/files.md tells. */
export const parleyMeans = (room: Room, out: Output): Means => ({
  talk: new Chat(out),
  sendFile: (peerId, source, options) => sendFile(room, peerId, source, { ...options, sha256: nodeSha256 }),
  onFile: handler => onFile(room, handler, { sha256: nodeSha256 }),
})
