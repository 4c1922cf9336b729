import type { Unsubscribe } from '../emitter.ts'
import type { Room } from '../room.ts'
import type { FileSource } from './file-source.ts'
import type { FileHandler } from './incoming-file.ts'
import { fileProtocol } from './protocol.ts'
import { FileReceiver, type FileReceiverOptions } from './receive-files.ts'
import { type ChannelRequest, type SendFileOptions, sendOver } from './send-file.ts'
import type { FileReceipt } from './transfer.ts'

/**
 * Sends a file to a peer, connecting to it if there is no connection, and again if that drops: then the file goes on
 * where it was. Resolves when the other peer has all of it, has found it to be what was sent, and keeps it.
 * @throws ParleyError DECLINED, ABORTED (by either side), FILE_FAILED if either side cannot read or write it, CORRUPTED,
 *   TIMEOUT if nobody there decides; UNSUPPORTED if the receiver takes no files of folders; CHANNEL_CLOSED if the connection
 *   does not come back; what `Room.connect` throws
 */
export function sendFile(
  room: Room,
  peerId: string,
  file: Blob | FileSource,
  options: SendFileOptions = {},
): Promise<FileReceipt> {
  const open = async ({ label, protocol, signal }: ChannelRequest) => {
    const connection = await room.connect(peerId, { signal })
    const channel = await connection.open(label, { protocol })
    return { channel, maxMessageSize: connection.pc.sctp?.maxMessageSize }
  }
  return sendOver(open, file, options)
}

/**
 * Has `handler` decide about the files that other peers send, until the result is called or the room is left: then those
 * that are under way end, too. Without a handler all files are declined.
 */
export function onFile(room: Room, handler: FileHandler, options: FileReceiverOptions = {}): Unsubscribe {
  const receiver = new FileReceiver(options)
  receiver.handler = handler
  const offs = [
    room.onProtocol(fileProtocol, (channel, { peerId }) => receiver.receive(peerId, channel)),
    // When the room is over, its peers may still have something to say to each other.
    room.on('state', state => state.status === 'closed' && !state.error && end()),
  ]
  function end(): void {
    for (const off of offs) off()
    receiver.close()
  }
  return end
}
