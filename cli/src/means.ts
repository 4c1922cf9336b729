import { ParleyError, type Room, type Unsubscribe } from '@parley/client'
import {
  type FileReceipt,
  type FileSource,
  type IncomingFile,
  onFile,
  type SendFileOptions,
  sendFile,
} from '@parley/client/files'
import { Chat } from './chat.ts'
import { nodeSha256 } from './files/node-sha256.ts'
import { Legacy } from './legacy/legacy.ts'
import type { Output } from './output.ts'

/** A file that comes, by whatever means. */
export type TakenFile = Pick<IncomingFile, 'peerId' | 'name' | 'folders' | 'size' | 'type' | 'save'>

export type SendOptions = Pick<SendFileOptions, 'signal' | 'onProgress' | 'folder'>

/** How text and files travel between peers. Programs of the Python server's time have ways of their own. */
export interface Means {
  readonly talk: Pick<Chat, 'add' | 'say' | 'close'> & { open(...args: Parameters<Chat['open']>): Promise<unknown> }
  /** Sends a file, also over a connection that has to be made for it. @throws ParleyError */
  sendFile(peerId: string, source: FileSource, options: SendOptions): Promise<FileReceipt>
  /** Hands each file that comes to `take`, until the result is called: then what is under way ends. */
  onFile(take: (file: TakenFile) => void): Unsubscribe
}

/**
 * Parley's own: text over a channel of its own, files as docs/files.md tells. What those programs send is understood, too.
 * @param isLegacy whether this side speaks as they do
 */
export function meansOf(room: Room, out: Output, isLegacy = false): Means {
  const chat = new Chat(out)
  let take: (file: TakenFile) => void = () => {}
  const legacy = new Legacy({ file: file => take(file), text: (peerId, text) => chat.show(peerId, text) })
  const add: Chat['add'] = connection => {
    legacy.add(connection)
    if (!isLegacy) chat.add(connection)
  }
  return {
    talk: isLegacy
      ? { add, open: connection => legacy.open(connection), say: text => legacy.say(text), close: async () => true }
      : { add, open: connection => chat.open(connection), say: text => chat.say(text), close: ms => chat.close(ms) },
    async sendFile(peerId, source, options) {
      if (isLegacy) return legacy.send(await room.connect(peerId), source, options)
      if (room.connection(peerId)?.isPlain) {
        throw new ParleyError('UNSUPPORTED', `${peerId} is not of Parley; it may take files with --legacy.`)
      }
      return sendFile(room, peerId, source, { ...options, sha256: nodeSha256 })
    },
    onFile(handler) {
      take = handler
      return onFile(room, handler, { sha256: nodeSha256, folders: true })
    },
  }
}
