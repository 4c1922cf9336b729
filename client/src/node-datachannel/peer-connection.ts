import { nativeChannelInit } from './channel-init.ts'
import { type ChannelOwner, NodeDataChannel } from './data-channel.ts'
import { Descriptions, sessionDescription } from './descriptions.ts'
import { GatedPeer } from './gated-peer.ts'
import { HandlerTarget } from './handler-target.ts'
import type {
  NativeDataChannel,
  NativePeerConnection,
  NodeDataChannelModule,
  NodeDataChannelOptions,
} from './library.ts'
import { LocalCandidates } from './local-candidates.ts'
import { nativeConfiguration } from './native-configuration.ts'
import { NegotiationFlag } from './negotiation-flag.ts'
import { addRemoteCandidate } from './remote-candidate.ts'
import { States } from './states.ts'
import { statsReport } from './stats.ts'

/** `RTCPeerConnection` on one of the library; see `nodeDataChannel` for what it has and has not. */
export class NodePeerConnection extends HandlerTarget implements ChannelOwner {
  readonly #descriptions = new Descriptions()
  readonly #localCandidates = new LocalCandidates(candidate => this.fire('icecandidate', { candidate }))
  readonly #negotiation = new NegotiationFlag(
    () => this.#isNegotiationNeeded,
    () => this.fire('negotiationneeded'),
  )
  readonly #channels = new Set<NodeDataChannel>()
  #configuration: RTCConfiguration = {}
  #peer: GatedPeer | undefined
  #sctp: { readonly maxMessageSize: number } | null = null
  #hasHadChannels = false
  readonly #states = new States({
    fire: type => this.fire(type),
    isInUse: () => [...this.#channels].some(({ readyState }) => readyState === 'open'),
    lost: () => this.#channels.forEach(channel => void channel.lose()),
  })

  constructor(
    private readonly library: NodeDataChannelModule,
    private readonly options: NodeDataChannelOptions,
    configuration: RTCConfiguration = {},
  ) {
    super()
    this.setConfiguration(configuration)
  }

  get signalingState(): RTCSignalingState {
    return this.#states.isClosed ? 'closed' : this.#descriptions.signalingState
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#states.connection
  }

  get iceConnectionState(): RTCIceConnectionState {
    return this.#states.ice
  }

  get iceGatheringState(): RTCIceGatheringState {
    return this.#states.gathering
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
    nativeConfiguration(configuration)
    this.#configuration = configuration
  }

  createDataChannel(label: string, init: RTCDataChannelInit = {}): NodeDataChannel {
    const peer = this.#usePeer()
    const channel = new NodeDataChannel(label, this, nativeChannelInit(label, init))
    peer.admit(channel, this.#descriptions.isDataAgreed)
    this.#add(channel)
    this.#negotiation.check()
    return channel
  }

  /** Makes the offer or the answer, whichever is due, or rolls back. An SDP that is handed in is not looked at. */
  setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
    return this.#describe(({ native }) => {
      const canOffer = this.#hasHadChannels || this.#descriptions.isDataAgreed
      this.#descriptions.setLocal(native, canOffer, description?.type)
    })
  }

  /** Takes an offer, for which one of this side is rolled back, or an answer. */
  setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
    return this.#describe(peer => {
      if (type === 'offer' && !this.#descriptions.isDataAgreed) this.#takeFirst(peer, sdp)
      else this.#descriptions.setRemote(peer.native, type, sdp)
    })
  }

  /** A name that ends in .local, as browsers give, is looked up, which leads to nothing on most machines. */
  addIceCandidate(candidate?: RTCIceCandidateInit | null): Promise<void> {
    return this.#negotiation.operations.run(() => {
      this.#refuseIfClosed()
      addRemoteCandidate(this.#native, candidate ?? {}, this.remoteDescription)
    })
  }

  async getStats(): Promise<RTCStatsReport> {
    return statsReport(this.#native)
  }

  close(): void {
    if (!this.#states.close()) return
    // The library forgets those that have not been open.
    for (const channel of this.#channels) channel.abandon()
    this.#peer?.close()
  }

  /** @internal */
  get isBroken(): boolean {
    return this.#states.isBroken
  }

  /** @internal */
  channelOpens(): void {
    this.#states.channelOpens()
  }

  /** @internal */
  channelEnded(channel: NodeDataChannel): void {
    this.#channels.delete(channel)
    this.#states.channelEnded()
  }

  #refuseIfClosed(): void {
    if (this.#states.isClosed) throw new DOMException('The connection is closed.', 'InvalidStateError')
  }

  get #native(): NativePeerConnection | undefined {
    return this.#peer?.native
  }

  /** The connection of the library, which is made when it is needed first. */
  #usePeer(): GatedPeer {
    this.#refuseIfClosed()
    if (this.#states.isOver) throw new DOMException('The connection is lost.', 'InvalidStateError')
    this.#peer ??= this.#makePeer()
    return this.#peer
  }

  #makePeer(): GatedPeer {
    const native = new this.library.PeerConnection('parley', {
      ...this.options,
      ...nativeConfiguration(this.#configuration),
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
    native.onIceStateChange(state => ifInUse(() => this.#states.hearIce(state)))
    native.onStateChange(state => ifInUse(() => this.#states.hear(state)))
    return new GatedPeer(native)
  }

  #takeFirst(peer: GatedPeer, offer: string): void {
    // One that has made an offer itself would contend for the lead of ICE, which costs up to a second.
    const taker = peer.native.localDescription() ? this.#makePeer() : peer
    try {
      this.#descriptions.setRemote(taker.native, 'offer', offer)
    } catch (error) {
      if (taker !== peer) taker.close()
      throw error
    }
    if (taker === peer) return
    this.#peer = taker
    for (const channel of this.#channels) channel.createIn(taker.native)
    peer.close()
  }

  #add(channel: NodeDataChannel): void {
    this.#channels.add(channel)
    this.#hasHadChannels = true
  }

  #announce(native: NativeDataChannel): void {
    const channel = new NodeDataChannel(native.getLabel(), this, undefined, native)
    this.#add(channel)
    if (this.#states.isClosed) channel.abandon()
    else channel.open(() => this.fire('datachannel', { channel }))
  }

  #describe(set: (peer: GatedPeer) => void): Promise<void> {
    return this.#negotiation.operations.run(() => {
      const peer = this.#usePeer()
      const before = this.signalingState
      set(peer)
      if (this.signalingState === before) return
      if (this.signalingState === 'stable') {
        if (this.#descriptions.isDataAgreed) this.#sctp = { maxMessageSize: peer.native.maxMessageSize() }
        this.#negotiation.lower()
      }
      this.fire('signalingstatechange')
    })
  }

  get #isNegotiationNeeded(): boolean {
    return (
      this.signalingState === 'stable' &&
      !this.#states.isOver &&
      this.#hasHadChannels &&
      !this.#descriptions.isDataAgreed
    )
  }

  #hearGathering(state: string, sdp: string): void {
    if (state === 'complete') this.#localCandidates.complete(sdp, () => this.#states.becomeGathering('complete'))
    else if (state === 'in-progress') this.#states.becomeGathering('gathering')
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
