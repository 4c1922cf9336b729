/** What the states depend on, and what follows from them. */
export interface StatesParts {
  /** Whether a channel is open. */
  isInUse(): boolean
  /** Tells of a change by an event of this type. */
  fire(type: string): void
  /** The way to the other side is lost for good. */
  lost(): void
}

/** The states of a connection, made of what the library says of its own, and the events that tell of them. */
export class States {
  connection: RTCPeerConnectionState = 'new'
  ice: RTCIceConnectionState = 'new'
  gathering: RTCIceGatheringState = 'new'
  isClosed = false
  /** Whether the library has ended the connection by itself. */
  isOver = false
  isBroken = false

  constructor(private readonly parts: StatesParts) {}

  /** This side closes the connection, of which no event tells. @returns whether it was open */
  close(): boolean {
    if (this.isClosed) return false
    this.isClosed = true
    this.connection = this.ice = 'closed'
    return true
  }

  channelOpens(): void {
    if (!this.isOver) this.#become('connected')
  }

  channelEnded(): void {
    if (this.isOver) this.#end()
  }

  hearIce(state: string): void {
    // The library does not wait for the way to come back, but ends the connection.
    if (state === 'failed' || state === 'disconnected') this.#break()
    else if (state !== 'closed' && !this.isOver) this.#becomeIce(state as RTCIceConnectionState)
  }

  hear(state: string): void {
    if (state === 'failed') this.#break()
    else if (state === 'closed') this.#end()
    else if (state === 'connected') this.channelOpens()
    // It may say so after a channel has been open already.
    else if (state === 'connecting' && this.connection === 'new') this.#become('connecting')
  }

  becomeGathering(state: RTCIceGatheringState): void {
    this.gathering = state
    this.parts.fire('icegatheringstatechange')
  }

  /** The other side has closed the connection: first its channels end, then there is no way to it any more. */
  #end(): void {
    this.isOver = true
    if (!this.parts.isInUse()) this.#break()
  }

  /** The way to the other side is lost for good. */
  #break(): void {
    if (this.isBroken || this.isClosed) return
    this.isBroken = this.isOver = true
    this.#becomeIce('failed')
    this.#become('failed')
    this.parts.lost()
  }

  #becomeIce(state: RTCIceConnectionState): void {
    if (this.isClosed || state === this.ice) return
    this.ice = state
    this.parts.fire('iceconnectionstatechange')
  }

  #become(state: RTCPeerConnectionState): void {
    if (this.isClosed || state === this.connection) return
    this.connection = state
    this.parts.fire('connectionstatechange')
  }
}
