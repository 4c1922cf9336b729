import { nativeChannelInit } from './channel-init.ts'
import { type ChannelOwner, NodeDataChannel } from './data-channel.ts'
import { Descriptions, sessionDescription } from './descriptions.ts'
import { GatedPeer } from './gated-peer.ts'
import { HandlerTarget } from './handler-target.ts'
import { nativeIceServers } from './ice-servers.ts'
import type {
  NativeDataChannel,
  NativePeerConnection,
  NodeDataChannelModule,
  NodeDataChannelOptions,
} from './library.ts'
import { LocalCandidates } from './local-candidates.ts'
import { NegotiationFlag } from './negotiation-flag.ts'
import { addRemoteCandidate } from './remote-candidate.ts'
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
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connectionState = this.#iceConnectionState = 'closed'
    // The library forgets those that have not been open.
    for (const channel of this.#channels) channel.abandon()
    this.#peer?.close()
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

  get #native(): NativePeerConnection | undefined {
    return this.#peer?.native
  }

  /** The connection of the library, which is made when it is needed first. */
  #usePeer(): GatedPeer {
    this.#refuseIfClosed()
    if (this.#isOver) throw new DOMException('The connection is lost.', 'InvalidStateError')
    this.#peer ??= this.#makePeer()
    return this.#peer
  }

  #makePeer(): GatedPeer {
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
    if (this.#isClosed) channel.abandon()
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
