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

export interface FileProgress {
  readonly status: TransferStatus
  /** That the receiver has written. They may become fewer, if it has to begin again. */
  readonly bytes: number
  readonly size: number
}

export interface TransferOptions {
  readonly onProgress?: (progress: FileProgress) => void
  /** Cancels the transfer, on both sides. */
  readonly signal?: AbortSignal
}
