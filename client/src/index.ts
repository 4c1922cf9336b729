export type { ServerAddress } from './address.ts'
export { serverAddress } from './address.ts'
export { type Clock, systemClock } from './clock.ts'
export type { Connection } from './connection.ts'
export type { ConnectionEvents, ConnectionStatus, ConnectOptions } from './connection-types.ts'
export { Emitter, type Unsubscribe } from './emitter.ts'
export { type LocalErrorCode, ParleyError, type ParleyErrorCode, type ParleyErrorOptions } from './errors.ts'
export {
  type FileHandler,
  type FileProgress,
  type FileReceipt,
  type FileSink,
  type FileSource,
  fileSource,
  type IncomingFile,
  type SendFileOptions,
  type Sha256,
  safeFileName,
  type TransferOptions,
  type TransferStatus,
} from './files/index.ts'
export { type Identity, type SignInOptions, signIn } from './identity.ts'
export type { ConnectionState, IncomingSignal } from './messages.ts'
export { type CreatedRoom, Parley, type ParleyOptions, type RoomOptions } from './parley.ts'
export type { Peer } from './peers.ts'
export type { Room } from './room.ts'
export type { IceServers, JoinOptions, PeerFilters, RoomEvents } from './room-types.ts'
