/** What has become of a file: the same to both sides. */
export interface FileReceipt {
  /** That the receiver keeps it under. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** `connecting`: there is no connection, or not any more. `waiting`: for the receiver to take it, or to have time. */
export type TransferStatus = 'connecting' | 'waiting' | 'transferring'

/** How far a file has come. */
export interface FileProgress {
  /** What it waits for, if it does. */
  readonly status: TransferStatus
  /** That the receiver has written. They may become fewer, if it has to begin again. */
  readonly bytes: number
  /** Bytes of the whole file. */
  readonly size: number
}

/** What either side may say of a transfer. */
export interface TransferOptions {
  /** Called for each change of the status, and several times a second while bytes arrive. */
  readonly onProgress?: (progress: FileProgress) => void
  /** Cancels the transfer, on both sides. */
  readonly signal?: AbortSignal
}
