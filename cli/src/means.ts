import type { Room } from '@parley/client'
import { Chat } from './chat.ts'
import type { Output } from './output.ts'

/** How text and files travel between peers. Programs of the Python server's time have ways of their own. */
export interface Means {
  readonly talk: Pick<Chat, 'add' | 'open' | 'say' | 'close'>
  readonly files: Pick<Room, 'sendFile' | 'onFile'>
}

/** Parley's own: text over a channel of its own, files as docs/files.md tells. */
export const parleyMeans = (room: Room, out: Output): Means => ({ talk: new Chat(out), files: room })
