import { onTestFinished } from 'bun:test'
import type { IceServer } from '@parley/protocol'
import type { DataChannel, DescriptionType, PeerConnection, RtcConfig } from 'node-datachannel'
import { Inbox } from './inbox.ts'
import { type Message, PlainPeer, type Registration } from './plain-peer.ts'

const chunkBytes = 16_384
const highWater = 1_048_576
const lowWater = 262_144

/** Says that the bytes before it are all of them. */
export const endOfBytes = 'end of bytes'

/**
 * What the library has made, kept until the process ends: `cleanup` crashes if any of it has been garbage collected
 * before (node-datachannel 0.33.4, on Node as on Bun).
 */
const kept: (PeerConnection | DataChannel)[] = []

/** An open data channel: text and bytes in order, and no more in the send buffer than `highWater`. */
export class Channel {
  readonly received = new Inbox<string | Buffer>()
  private onDrained = () => {}

  private constructor(private readonly channel: DataChannel) {
    kept.push(channel)
    channel.onMessage(data => this.received.push(typeof data === 'string' ? data : Buffer.from(data as Buffer)))
    channel.onClosed(() => this.received.close(new Error('The data channel has been closed.')))
    channel.setBufferedAmountLowThreshold(lowWater)
    channel.onBufferedAmountLow(() => this.onDrained())
  }

  /** Resolves when `channel` is open. */
  static open(channel: DataChannel): Promise<Channel> {
    const ready = new Channel(channel)
    return new Promise((resolve, reject) => {
      channel.onError(error => reject(new Error(error)))
      channel.onOpen(() => resolve(ready))
      if (channel.isOpen()) resolve(ready)
    })
  }

  sendText(text: string): void {
    this.channel.sendMessage(text)
  }

  /** Sends the bytes in chunks, as fast as the other end takes them, and `endOfBytes` behind them. */
  async sendBytes(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      this.channel.sendMessageBinary(bytes.subarray(at, at + chunkBytes))
      while (this.channel.bufferedAmount() > highWater) {
        await new Promise<void>(resolve => {
          this.onDrained = resolve
        })
      }
    }
    this.sendText(endOfBytes)
  }

  /** All bytes up to `endOfBytes`. */
  async receiveBytes(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (let data = await this.received.next(); data !== endOfBytes; data = await this.received.next()) {
      if (typeof data === 'string') throw new Error(`Text among the bytes: ${data}`)
      chunks.push(data)
    }
    return Buffer.concat(chunks)
  }
}

/** How a peer may be reached: on loopback, or through the TURN servers that Parley tells it of, and in no other way. */
export type Reach = 'loopback' | 'relay'

/** A peer with a real WebRTC stack, which trickles its candidates through the server. */
export class DataChannelPeer {
  /** Its own candidates so far, as lines of SDP. */
  readonly candidates: string[] = []
  /** How many candidates have come from the other end, each in a message of its own. */
  candidatesReceived = 0
  /** Resolves when the data channel is open, and rejects if the peers cannot reach each other. */
  readonly channel: Promise<Channel>
  private readonly opening = Promise.withResolvers<Channel>()
  private readonly early: { candidate: string; mid: string }[] = []
  /**
   * What it will tell of its own candidates. The client waits with that for the answer: libdatachannel fails now and then if it
   * is reached before (docs/upstream/libdatachannel-description-after-ice.md).
   */
  private readonly held: Message[] = []
  private isClient = false
  private other = ''
  private hasRemoteDescription = false

  private constructor(
    readonly signaling: PlainPeer,
    /** What Parley told it when it registered. */
    readonly iceServers: readonly IceServer[],
    private readonly connection: PeerConnection,
  ) {
    this.channel = this.opening.promise
    // A test that fails before it waits for the channel should be told that, and not this.
    this.channel.catch(() => {})
    connection.onLocalDescription((sdp, type) => this.signal({ type, sdp }))
    connection.onLocalCandidate((line, sdpMid) => {
      const candidate = line.replace(/^a=/, '')
      this.candidates.push(candidate)
      const message: Message = { type: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex: 0 } }
      if (this.isClient && !this.hasRemoteDescription) this.held.push(message)
      else this.signal(message)
    })
    connection.onDataChannel(channel => this.use(channel))
    connection.onStateChange(state => {
      if (state === 'failed') this.opening.reject(new Error('The peers cannot reach each other.'))
    })
    this.handleMessages().catch(error => this.opening.reject(error))
  }

  /** Registers; from then on, until the end of the test, this is a worker, which answers the first offer. */
  static async register(registration: Registration, reach: Reach = 'loopback'): Promise<DataChannelPeer> {
    const signaling = await PlainPeer.register(registration)
    const iceServers = signaling.registration.ice_servers as readonly IceServer[]
    const connection = await connect(signaling.id, reach === 'relay' ? relayOnly(iceServers) : loopback)
    return new DataChannelPeer(signaling, iceServers, connection)
  }

  /** Makes this the client: it offers `target` a data channel. */
  offer(target: string): Promise<Channel> {
    this.other = target
    this.isClient = true
    this.use(this.connection.createDataChannel('parley'))
    return this.channel
  }

  /** Of which types the two candidates are that the data goes through: its own, and the other's. */
  get selectedTypes(): string[] {
    const pair = this.connection.getSelectedCandidatePair()
    return pair ? [pair.local.type, pair.remote.type] : []
  }

  private use(channel: DataChannel): void {
    Channel.open(channel).then(this.opening.resolve, this.opening.reject)
  }

  private signal(content: Message): void {
    this.signaling.send({ ...content, sender: this.signaling.id, target: this.other })
  }

  /** Ends by throwing: at an error, or when the WebSocket is closed. */
  private async handleMessages(): Promise<never> {
    for (;;) {
      const message = await this.signaling.messages.next()
      if (message.type === 'offer' || message.type === 'answer') this.describe(message, message.type)
      else if (message.type === 'candidate') this.addCandidate(message)
      else throw new Error(`Unexpected message: ${JSON.stringify(message)}`)
    }
  }

  private describe(message: Message, type: DescriptionType): void {
    this.other = String(message.sender)
    this.connection.setRemoteDescription(String(message.sdp), type)
    this.hasRemoteDescription = true
    for (const candidate of this.held.splice(0)) this.signal(candidate)
    for (const { candidate, mid } of this.early.splice(0)) this.connection.addRemoteCandidate(candidate, mid)
  }

  private addCandidate(message: Message): void {
    const { candidate, sdpMid } = message.candidate as { candidate: string; sdpMid: string }
    this.candidatesReceived++
    if (this.hasRemoteDescription) this.connection.addRemoteCandidate(candidate, sdpMid)
    else this.early.push({ candidate, mid: sdpMid })
  }
}

const loopback: RtcConfig = { iceServers: [], bindAddress: '127.0.0.1' }

const relayOnly = (iceServers: readonly IceServer[]): RtcConfig => ({
  iceServers: iceServers.flatMap(turnServers),
  iceTransportPolicy: 'relay',
  bindAddress: '127.0.0.1',
})

/** An entry as the library wants it. In its URLs the colon of a time-limited username would end the username. */
function turnServers({ urls, username = '', credential = '' }: IceServer) {
  return urls.map(url => {
    const [, hostname, port] = /^turn:(.+):(\d+)\?transport=udp$/.exec(url) ?? []
    if (!hostname) throw new Error(`The tests know no way to use ${url}.`)
    return { hostname, port: Number(port), username, password: credential, relayType: 'TurnUdp' as const }
  })
}

/** A connection, which is closed at the end of the test. */
async function connect(name: string, config: RtcConfig): Promise<PeerConnection> {
  const { PeerConnection } = await import('node-datachannel')
  const connection = new PeerConnection(name, config)
  kept.push(connection)
  onTestFinished(() => connection.close())
  return connection
}

/** All candidates, as lines of SDP, that a peer gathers that may only be reached through these servers. */
export async function relayCandidates(iceServers: readonly IceServer[]): Promise<string[]> {
  const connection = await connect('gatherer', relayOnly(iceServers))
  const gathered = new Promise<void>(resolve => {
    connection.onGatheringStateChange(state => {
      if (state === 'complete') resolve()
    })
  })
  kept.push(connection.createDataChannel('parley'))
  await gathered
  // The library may tell of the last candidate after it has told that all are gathered. The description has it by then.
  return connection.localDescription()?.sdp.match(/^a=candidate:.*$/gm) ?? []
}

/** Ends the threads of the WebRTC library, which would keep this process alive. It may be used again afterwards. */
export async function endDataChannels(): Promise<void> {
  const { cleanup } = await import('node-datachannel')
  cleanup()
}
