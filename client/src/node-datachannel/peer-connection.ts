import { nativeChannelInit } from './channel-init.ts'
import { type ChannelOwner, NodeDataChannel } from './data-channel.ts'
import { Descriptions, sessionDescription } from './descriptions.ts'
import { HandlerTarget } from './handler-target.ts'
import { nativeIceServers } from './ice-servers.ts'
import type {
  NativeDataChannel,
  NativeDataChannelInit,
  NativePeerConnection,
  NodeDataChannelModule,
  NodeDataChannelOptions,
} from './library.ts'
import { LocalCandidates } from './local-candidates.ts'
import { NegotiationFlag } from './negotiation-flag.ts'
import { RemoteCandidates, withoutCandidates } from './remote-candidates.ts'
import { statsReport } from './stats.ts'

/** `RTCPeerConnection` on one of the library; see `nodeDataChannel` for what it has and has not. */
export class NodePeerConnection extends HandlerTarget implements ChannelOwner {
  readonly #descriptions = new Descriptions()
  readonly #localCandidates = new LocalCandidates(candidate => this.fire('icecandidate', { candidate }))
  readonly #remoteCandidates = new RemoteCandidates(() => this.#native)
  readonly #negotiation = new NegotiationFlag(
    () => this.#isNegotiationNeeded,
    () => this.fire('negotiationneeded'),
  )
  readonly #channels = new Set<NodeDataChannel>()
  #configuration: RTCConfiguration = {}
  #native: NativePeerConnection | undefined
  #connectionState: RTCPeerConnectionState = 'new'
  #iceConnectionState: RTCIceConnectionState = 'new'
  #iceGatheringState: RTCIceGatheringState = 'new'
  #sctp: { readonly maxMessageSize: number } | null = null
  #hasHadChannels = false
  #isClosed = false
  /** Whether the library has ended the connection by itself. */
  #isOver = false
  #isBroken = false

  constructor(
    private readonly library: NodeDataChannelModule,
    private readonly options: NodeDataChannelOptions,
    configuration: RTCConfiguration = {},
  ) {
    super()
    this.setConfiguration(configuration)
  }

  get signalingState(): RTCSignalingState {
    return this.#isClosed ? 'closed' : this.#descriptions.signalingState
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#connectionState
  }

  get iceConnectionState(): RTCIceConnectionState {
    return this.#iceConnectionState
  }

  get iceGatheringState(): RTCIceGatheringState {
    return this.#iceGatheringState
  }

  get localDescription(): RTCSessionDescription | null {
    const { local } = this.#descriptions
    // With the candidates that have been found since.
    return local && sessionDescription(local.type, this.#native?.localDescription()?.sdp ?? local.sdp)
  }

  get remoteDescription(): RTCSessionDescription | null {
    return this.#descriptions.remote
  }

  get sctp(): { readonly maxMessageSize: number } | null {
    return this.#sctp
  }

  getConfiguration(): RTCConfiguration {
    return this.#configuration
  }

  /** Holds for what is made later: the servers are taken when the first channel is created or description set. */
  setConfiguration(configuration: RTCConfiguration): void {
    this.#refuseIfClosed()
    const { iceServers = [], iceTransportPolicy = 'all' } = configuration
    nativeIceServers(iceServers)
    if (!['all', 'relay'].includes(iceTransportPolicy)) {
      throw new TypeError(`${iceTransportPolicy} is no policy for ICE transports.`)
    }
    this.#configuration = configuration
  }

  createDataChannel(label: string, init: RTCDataChannelInit = {}): NodeDataChannel {
    const native = this.#peer()
    const nativeInit = nativeChannelInit(label, init)
    const channel = this.#add(native.createDataChannel(label, nativeInit), nativeInit)
    this.#negotiation.check()
    return channel
  }

  /** Makes the offer or the answer, whichever is due, or rolls back. An SDP that is handed in is not looked at. */
  setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
    return this.#describe(native => {
      const canOffer = this.#hasHadChannels || this.#descriptions.isDataAgreed
      this.#descriptions.setLocal(native, canOffer, description?.type)
      if (this.signalingState === 'stable') this.#remoteCandidates.letGoSoon()
    })
  }

  /** Takes an offer, for which one of this side is rolled back, or an answer. */
  setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
    return this.#describe(native => {
      if (type === 'offer' && !this.#descriptions.isDataAgreed) this.#takeFirst(native, sdp)
      else this.#descriptions.setRemote(native, type, sdp)
    })
  }

  /** A name that ends in .local, as browsers give, is looked up, which leads to nothing on most machines. */
  addIceCandidate(candidate?: RTCIceCandidateInit | null): Promise<void> {
    return this.#negotiation.operations.run(() => {
      this.#refuseIfClosed()
      this.#remoteCandidates.add(candidate ?? {}, this.remoteDescription)
    })
  }

  async getStats(): Promise<RTCStatsReport> {
    return statsReport(this.#native)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connectionState = this.#iceConnectionState = 'closed'
    // The library forgets those that have not been open.
    for (const channel of this.#channels) channel.abandon()
    this.#native?.close()
  }

  /** @internal */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** @internal */
  channelOpens(): void {
    if (!this.#isOver) this.#become('connected')
  }

  /** @internal */
  channelEnded(channel: NodeDataChannel): void {
    this.#channels.delete(channel)
    if (this.#isOver) this.#end()
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new DOMException('The connection is closed.', 'InvalidStateError')
  }

  /** The connection of the library, which is made when it is needed first. */
  #peer(): NativePeerConnection {
    this.#refuseIfClosed()
    if (this.#isOver) throw new DOMException('The connection is lost.', 'InvalidStateError')
    this.#native ??= this.#makePeer()
    return this.#native
  }

  #makePeer(): NativePeerConnection {
    const { iceServers = [], iceTransportPolicy = 'all' } = this.#configuration
    const native = new this.library.PeerConnection('parley', {
      ...this.options,
      iceServers: nativeIceServers(iceServers),
      iceTransportPolicy,
      disableAutoNegotiation: true,
    })
    // Of an offer that is rolled back, too.
    const sdp = () => native.localDescription()?.sdp ?? ''
    const ifInUse = (act: () => void) => {
      if (native === this.#native) act()
    }
    // On Node, callbacks that wait are called in the order of these lines.
    native.onLocalCandidate((line, mid) => ifInUse(() => this.#localCandidates.found(line, mid, sdp())))
    native.onGatheringStateChange(state => ifInUse(() => this.#hearGathering(state, sdp())))
    native.onDataChannel(channel => this.#announce(channel))
    native.onIceStateChange(state => ifInUse(() => this.#hearIce(state)))
    native.onStateChange(state => ifInUse(() => this.#hear(state)))
    return native
  }

  #takeFirst(native: NativePeerConnection, offer: string): void {
    // One that has made an offer itself would contend for the lead of ICE, which costs up to a second.
    const taker = native.localDescription() ? this.#makePeer() : native
    try {
      this.#descriptions.setRemote(taker, 'offer', offer, withoutCandidates(offer))
    } catch (error) {
      if (taker !== native) taker.close()
      throw error
    }
    this.#remoteCandidates.hold(offer)
    if (taker === native) return
    this.#native = taker
    for (const channel of this.#channels) channel.moveTo(taker)
    native.close()
  }

  #add(native: NativeDataChannel, init?: NativeDataChannelInit): NodeDataChannel {
    const channel = new NodeDataChannel(native, this, init)
    this.#channels.add(channel)
    this.#hasHadChannels = true
    return channel
  }

  #announce(native: NativeDataChannel): void {
    const channel = this.#add(native)
    if (this.#isClosed) channel.abandon()
    else channel.open(() => this.fire('datachannel', { channel }))
  }

  #describe(set: (native: NativePeerConnection) => void): Promise<void> {
    return this.#negotiation.operations.run(() => {
      const native = this.#peer()
      const before = this.signalingState
      set(native)
      if (this.signalingState === before) return
      if (this.signalingState === 'stable') {
        if (this.#descriptions.isDataAgreed) this.#sctp = { maxMessageSize: native.maxMessageSize() }
        this.#negotiation.lower()
      }
      this.fire('signalingstatechange')
    })
  }

  get #isNegotiationNeeded(): boolean {
    return this.signalingState === 'stable' && !this.#isOver && this.#hasHadChannels && !this.#descriptions.isDataAgreed
  }

  #hearGathering(state: string, sdp: string): void {
    const become = (state: RTCIceGatheringState) => {
      this.#iceGatheringState = state
      this.fire('icegatheringstatechange')
    }
    if (state === 'complete') this.#localCandidates.complete(sdp, () => become('complete'))
    else if (state === 'in-progress') become('gathering')
  }

  #hearIce(state: string): void {
    // The library does not wait for the way to come back, but ends the connection.
    if (state === 'failed' || state === 'disconnected') this.#break()
    else if (state !== 'closed' && !this.#isOver) this.#becomeIce(state as RTCIceConnectionState)
  }

  #hear(state: string): void {
    if (state === 'failed') this.#break()
    else if (state === 'closed') this.#end()
    else if (state === 'connected') this.channelOpens()
    // It may say so after a channel has been open already.
    else if (state === 'connecting' && this.#connectionState === 'new') this.#become('connecting')
  }

  /** The other side has closed the connection: first its channels end, then there is no way to it any more. */
  #end(): void {
    this.#isOver = true
    if (![...this.#channels].some(({ readyState }) => readyState === 'open')) this.#break()
  }

  /** The way to the other side is lost for good. */
  #break(): void {
    if (this.#isBroken || this.#isClosed) return
    this.#isBroken = this.#isOver = true
    this.#becomeIce('failed')
    this.#become('failed')
    for (const channel of this.#channels) channel.lose()
  }

  #becomeIce(state: RTCIceConnectionState): void {
    if (this.#isClosed || state === this.#iceConnectionState) return
    this.#iceConnectionState = state
    this.fire('iceconnectionstatechange')
  }

  #become(state: RTCPeerConnectionState): void {
    if (this.#isClosed || state === this.#connectionState) return
    this.#connectionState = state
    this.fire('connectionstatechange')
  }
}

NodePeerConnection.giveHandlers(NodePeerConnection.prototype, [
  'negotiationneeded',
  'icecandidate',
  'icegatheringstatechange',
  'iceconnectionstatechange',
  'connectionstatechange',
  'signalingstatechange',
  'datachannel',
])
