import { type Connection, type CreatedRoom, type JoinOptions, Parley, ParleyError, type Room } from '@parley/client'
import { type FileProgress, onFile, sendFile } from '@parley/client/files'
import { fastClock } from './fast-clock.ts'
import { Inbox } from './inbox.ts'
import { randomFile, sha256 } from './random-file.ts'

/** What a test does in a page: this is bundled with the SDK, runs there, and is `tab` to what is called from outside. */

/** What a test keeps in the page from one call to the next. */
class Kept<T> {
  last: T | undefined

  get value(): T {
    if (this.last === undefined) throw new Error('Nothing is kept here yet.')
    return this.last
  }
}

/** What a page does in the room beside what is the same for all. */
export interface EnterOptions extends Omit<JoinOptions, 'roomId' | 'token' | 'peerId' | 'accept'> {
  /** Does not let others connect to it. */
  readonly isShy?: boolean
  /** Has no WebRTC, and keeps the signals that it gets. */
  readonly isDeaf?: boolean
  /** Default: it does. */
  readonly keepIdentity?: boolean
  /** Times that its time is faster than that of others. Default: 1. */
  readonly speed?: number
}

const room = new Kept<Room>()
const connection = new Kept<Connection>()
const chat = new Kept<RTCDataChannel>()
/** What has arrived. */
const inbox = new Inbox<unknown>()

/** Resolves as soon as it holds, which may change with that event. */
async function until(target: EventTarget, event: string, holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => target.addEventListener(event, resolve, { once: true }))
}

/** The name that ICE has for itself in a description, another one after each restart. */
const ufragIn = (description: RTCSessionDescription | null) => /^a=ice-ufrag:(.*)$/m.exec(description?.sdp ?? '')?.[1]

export const tab = {
  get room() {
    return room.value
  },

  /** The last one that this page has made or been told of. */
  get connection() {
    return connection.value
  },

  /** The last one, whoever has opened it. */
  get chat() {
    return chat.value
  },

  /** What the state of the room has been since it was entered. */
  states: [] as Room['state']['status'][],

  /** What the connection has been since this page has it, the last one. */
  statuses: [] as Connection['status'][],

  /** The codes of what was not agreed upon, on any connection. */
  disagreements: [] as string[],

  /** Enters the room, as a new identity in a new tab. */
  async enter(
    httpUrl: string,
    wsUrl: string,
    { roomId, token }: CreatedRoom,
    peerId: string,
    { isShy, isDeaf, keepIdentity, speed = 1, ...options }: EnterOptions = {},
  ): Promise<void> {
    if (isDeaf) Reflect.deleteProperty(window, 'RTCPeerConnection')
    const kept = keepIdentity === undefined ? {} : { keepIdentity }
    const parley = new Parley(httpUrl, { wsUrl, clock: fastClock(speed), ...kept })
    tab.username = (await parley.signIn()).username
    const entered = await parley.join({ roomId, token, peerId, ...options, ...(isShy && { accept: () => false }) })
    entered.on('connection', tab.keep)
    entered.on('state', ({ status }) => tab.states.push(status))
    entered.on('signal', signal => inbox.push(signal))
    entered.on('message', (_from, payload) => inbox.push(payload))
    onFile(entered, async file => {
      const { name, size } = file
      inbox.push({ name, size, sha256: await sha256(await file.blob()) })
    })
    room.last = entered
  },

  keep(made: Connection): void {
    connection.last = made
    tab.statuses = []
    made.on('status', status => tab.statuses.push(status))
    made.on('negotiationFailed', error => tab.disagreements.push(error.code))
    made.on('channel', channel => channel.label === 'chat' && tab.keepChat(channel))
  },

  keepChat(channel: RTCDataChannel): void {
    chat.last = channel
    channel.addEventListener('message', ({ data }) => inbox.push(data))
  },

  /** Connects. */
  async connect(peerId: string): Promise<void> {
    const made = await room.value.connect(peerId)
    // One that the other side has begun is kept already.
    if (made !== connection.last) tab.keep(made)
  },

  async openChat(): Promise<void> {
    tab.keepChat(await connection.value.open('chat'))
  },

  /** The next message of a chat or by way of the server, or the next file. */
  hear: (): Promise<unknown> => inbox.next(),

  async state(wanted: Room['state']['status']): Promise<void> {
    if (room.value.state.status !== wanted) await room.value.once('state', ({ status }) => status === wanted)
  },

  async status(wanted: Connection['status']): Promise<void> {
    const { value } = connection
    if (value.status !== wanted) await value.once('status', status => status === wanted)
  },

  async sees(peerId: string): Promise<void> {
    if (!room.value.peers.has(peerId)) await room.value.once('peerJoined', ({ id }) => id === peerId)
  },

  /** How the connection has ended: its code, and whether it may be had again. */
  ended: () =>
    connection.value.error && { code: connection.value.error.code, retryable: connection.value.error.retryable },

  /** Connects to that peer as soon as it joins, and tells whether the old connection was used for that. */
  async connectWhenJoined(peerId: string): Promise<boolean> {
    const old = connection.value
    await room.value.once('peerJoined', ({ id }) => id === peerId)
    await tab.connect(peerId)
    return connection.value === old
  },

  /** Who this page is to the server. */
  username: '',

  /** The code that connecting ends with. */
  async codeOfConnect(peerId: string): Promise<string> {
    try {
      await room.value.connect(peerId)
    } catch (error) {
      return error instanceof ParleyError ? error.code : String(error)
    }
    return 'none'
  },

  /**
   * Sends a file of bytes that nobody can guess, and tells what their hash is.
   * @param closeAt bytes after which the connection is closed once
   */
  async sendFile(peerId: string, name: string, bytes: number, closeAt = bytes + 1) {
    const file = randomFile(name, bytes)
    const progress: number[] = []
    let isClosed = false
    const onProgress = ({ bytes }: FileProgress) => {
      progress.push(bytes)
      if (isClosed || bytes < closeAt) return
      isClosed = true
      room.value.connection(peerId)?.close()
    }
    await sendFile(room.value, peerId, file, { onProgress })
    return { sha256: await sha256(file), progress, isClosed }
  },

  /** Has the candidates get lost that this page sends with its next description. */
  loseCandidates(): void {
    const { value } = room
    const signal = value.signal.bind(value)
    let descriptions = 0
    value.signal = async message => {
      if (message.type !== 'candidate') descriptions++
      if (message.type !== 'candidate' || descriptions > 1) await signal(message)
    }
  },

  /** Has the next description of the other side be taken, and that be told only when the connection is closed. */
  takesUntilClosed(): void {
    const { value } = connection
    const take = value.pc.setRemoteDescription.bind(value.pc)
    value.pc.setRemoteDescription = async (description: RTCSessionDescriptionInit) => {
      await take(description)
      await tab.status('closed')
    }
  },

  /** What ICE calls itself on this side and on the other. */
  ufrags() {
    const { currentLocalDescription, currentRemoteDescription } = connection.value.pc
    return [ufragIn(currentLocalDescription), ufragIn(currentRemoteDescription)]
  },

  /** Resolves when ICE has restarted on both sides since it was called that. @throws Error if it closes instead */
  async restarted(before: readonly unknown[]): Promise<void> {
    const { pc } = connection.value
    const isRestarted = () => tab.ufrags().every((ufrag, index) => ufrag !== before[index])
    const closed = tab.status('closed').then(() => {
      throw new Error(`closed with ${connection.value.error?.code} instead of restarting ICE`)
    })
    await Promise.race([until(pc, 'signalingstatechange', isRestarted), closed])
  },

  /** User names for TURN. */
  usernames: () => connection.value.pc.getConfiguration().iceServers?.map(({ username }) => username),

  /** Adds what a camera would give. */
  addVideo(): void {
    const { pc } = connection.value
    const canvas = document.createElement('canvas')
    // Firefox captures nothing before that.
    canvas.getContext('2d')
    for (const track of canvas.captureStream().getTracks()) pc.addTrack(track)
  },

  /** Whether so many tracks are agreed upon in both directions. Chromium sometimes forgets to tell of one by an event. */
  hasTracks(count: number): boolean {
    const { pc } = connection.value
    const directions = pc.getTransceivers().map(({ currentDirection }) => currentDirection ?? '')
    const agreed = (way: RegExp) => directions.filter(direction => way.test(direction)).length
    return pc.signalingState === 'stable' && agreed(/^send/) === count && agreed(/recv/) === count
  },
}

declare global {
  interface Window {
    tab: typeof tab
  }
}

window.tab = tab
