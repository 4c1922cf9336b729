/**
 * The part of the npm package `node-datachannel` (0.33, libdatachannel 0.24) that is used here. Whatever it throws
 * inside `setLocalDescription` ends the program, so that may only be called when it is known to be allowed.
 */
export interface NodeDataChannelModule {
  /** The library's own, without a standard behind it. */
  readonly PeerConnection: new (
    name: string,
    config: NativeConfiguration,
  ) => NativePeerConnection
}

/** What `nodeDataChannel` may be told. */
export interface NodeDataChannelOptions {
  /**
   * The only address of this machine that is used, as 127.0.0.1; default: all that it has. With an address that this
   * machine has not, the library ends the program.
   */
  readonly bindAddress?: string
}

export interface NativeConfiguration {
  iceServers: NativeIceServer[]
  iceTransportPolicy: 'all' | 'relay'
  disableAutoNegotiation: true
  bindAddress?: string
}

/** A STUN server, or, with a relay type, a TURN server. */
export interface NativeIceServer {
  hostname: string
  port: number
  username?: string
  password?: string
  relayType?: 'TurnUdp' | 'TurnTcp' | 'TurnTls'
}

export interface NativeDescription {
  readonly type: string
  readonly sdp: string
}

export interface NativeCandidateInfo {
  readonly address: string
  readonly port: number
  readonly type: string
  readonly transportType: string
  readonly priority: number
}

/** Calls back in tasks of their own; the calls of one callback are in order, those of different callbacks need not be. */
export interface NativePeerConnection {
  close(): void
  /** In the wrong state, or with nothing to offer, this ends the program. */
  setLocalDescription(type: 'offer' | 'answer' | 'rollback'): void
  setRemoteDescription(sdp: string, type: 'offer' | 'answer'): void
  localDescription(): NativeDescription | null
  addRemoteCandidate(candidate: string, mid: string): void
  createDataChannel(label: string, init: NativeDataChannelInit): NativeDataChannel
  state(): string
  iceState(): string
  signalingState(): string
  onLocalCandidate(listener: (candidate: string, mid: string) => void): void
  onStateChange(listener: (state: string) => void): void
  onIceStateChange(listener: (state: string) => void): void
  onGatheringStateChange(listener: (state: string) => void): void
  onDataChannel(listener: (channel: NativeDataChannel) => void): void
  bytesSent(): number
  bytesReceived(): number
  /** Milliseconds, or -1 when unknown. */
  rtt(): number
  getSelectedCandidatePair(): { local: NativeCandidateInfo; remote: NativeCandidateInfo } | null
  maxMessageSize(): number
}

export interface NativeDataChannelInit {
  protocol: string
  unordered: boolean
  negotiated?: true
  id?: number
  maxPacketLifeTime?: number
  maxRetransmits?: number
}

export interface NativeDataChannel {
  close(): void
  getLabel(): string
  /** 65535 as long as there is none. */
  getId(): number
  getProtocol(): string
  /** Like the next, false says that the message waits in the send buffer; throws if it cannot be sent. */
  sendMessage(text: string): boolean
  sendMessageBinary(bytes: Uint8Array): boolean
  isOpen(): boolean
  bufferedAmount(): number
  maxMessageSize(): number
  setBufferedAmountLowThreshold(bytes: number): void
  onOpen(listener: () => void): void
  /** Not called if the channel has ended before this. */
  onClosed(listener: () => void): void
  onBufferedAmountLow(listener: () => void): void
  onMessage(listener: (data: string | ArrayBuffer | Uint8Array) => void): void
}
