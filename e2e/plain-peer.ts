import { onTestFinished } from 'bun:test'
import type { Room } from './api.ts'
import { Inbox } from './inbox.ts'

export type Message = Readonly<Record<string, unknown>>

export interface Registration {
  readonly wsUrl: string
  readonly peerId: string
  readonly idToken: string
  readonly room: Room
  /** What `register` says beside that. */
  readonly members?: Message
}

/** A peer that knows the quick reference, on the WebSocket that every browser has. */
export class PlainPeer {
  readonly messages = new Inbox<Message>()
  /** Types of all that has arrived so far. */
  readonly types: unknown[] = []
  /** The `registered_auth` that it got, once it is registered. */
  registration: Message = {}
  /** The code that the WebSocket was closed with. */
  readonly closed: Promise<number>

  private constructor(
    readonly id: string,
    private readonly socket: WebSocket,
  ) {
    socket.onmessage = ({ data }) => {
      const message: Message = JSON.parse(String(data))
      this.types.push(message.type)
      this.messages.push(message)
    }
    this.closed = new Promise(resolve => {
      socket.onclose = ({ code }) => {
        resolve(code)
        this.messages.close(new Error(`The WebSocket of ${id} has been closed with ${code}.`))
      }
    })
  }

  /** Connects, and resolves when that is done. Disconnects at the end of the test. */
  static async connect(wsUrl: string, peerId: string): Promise<PlainPeer> {
    const socket = new WebSocket(wsUrl)
    onTestFinished(() => socket.close())
    const peer = new PlainPeer(peerId, socket)
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = () => reject(new Error(`${peerId} cannot connect to ${wsUrl}.`))
    })
    return peer
  }

  /** Connects, registers, and resolves when the server has confirmed it. */
  static async register({ wsUrl, peerId, idToken, room, members = {} }: Registration): Promise<PlainPeer> {
    const peer = await PlainPeer.connect(wsUrl, peerId)
    peer.send({ type: 'register', peer_id: peerId, ...room, id_token: idToken, ...members })
    const reply = await peer.messages.next()
    if (reply.type !== 'registered_auth') throw new Error(`register was answered by ${JSON.stringify(reply)}`)
    peer.registration = reply
    return peer
  }

  /** Leaves on purpose. */
  close(): void {
    this.socket.close(1000)
  }

  /** Breaks the connection, as a program does that is killed. */
  abort(): void {
    // Bun's own, which the types of browsers do not know.
    ;(this.socket as WebSocket & { terminate(): void }).terminate()
  }

  send(message: Message): void {
    this.socket.send(JSON.stringify(message))
  }
}
