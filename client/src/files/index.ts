export { safeFileName } from './file-name.ts'
export type { FileSink } from './file-sink.ts'
export { type FileSource, fileSource } from './file-source.ts'
export type { FileHandler, IncomingFile } from './incoming-file.ts'
export { fileProtocol } from './protocol.ts'
export { FileReceiver, type FileReceiverOptions } from './receive-files.ts'
export {
  type ChannelRequest,
  type OpenChannel,
  type OpenedChannel,
  type SendFileOptions,
  sendFile,
} from './send-file.ts'
export { type Sha256, sha256 } from './sha256.ts'
export type { FileProgress, FileReceipt, TransferOptions, TransferStatus } from './transfer.ts'
export type { FileChannel } from './wire.ts'
