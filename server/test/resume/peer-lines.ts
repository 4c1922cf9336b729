import type { Clock } from '../../src/clock.ts'
import type { Line } from './line.ts'
import { brief } from './messages.ts'
import type { Break, BreakableProxy } from './proxy.ts'
import type { Message, Request, Session, Story } from './story.ts'

/** What peers have in common. */
export interface Surroundings {
  readonly story: Story
  readonly clock: Clock
  readonly proxy: BreakableProxy
  readonly rooms: readonly { readonly room_id: string; readonly token: string }[]
  /** The room that is entered now. */
  room: number
}

/** The connections of a peer, and what it writes to them. */
export abstract class PeerLines {
  /** The connection that it speaks over. */
  protected line: Line | undefined
  protected readonly lines: Line[] = []

  constructor(
    readonly name: string,
    protected readonly world: Surroundings,
  ) {}

  protected abstract hear(line: Line, text: string): void
  protected abstract lost(line: Line, code: number): void

  protected transmit(line: Line, request: Request): void {
    if (request.opens) line.registering = request
    line.said.add(request)
    this.world.story.note(line.name, `> ${brief(request.message)}`)
    if (line.socket.readyState === WebSocket.OPEN) line.socket.send(request.text)
    // Until it is open, what is said waits behind `register`.
    else if (line.socket.readyState === WebSocket.CONNECTING)
      line.socket.addEventListener('open', () => line.socket.send(request.text))
  }

  protected write(line: Line, message: Message): void {
    this.world.story.note(line.name, `> ${brief(message)}`)
    line.socket.send(JSON.stringify(message))
  }

  protected connect(session: Session, plan: Break | undefined, opened: (line: Line) => void): Line {
    const { story, clock, proxy } = this.world
    const name = `${this.name}#${this.lines.length}`
    const wire = proxy.wire(() => {
      story.note(name, wire.isHanging ? 'hangs' : 'is cut')
      line.session.brokenSince ??= clock.uptime()
      if (line.session.isPlain) story.mayBeOver(line.session)
    })
    const socket = new WebSocket(wire.url)
    const states = { registering: undefined, resuming: undefined, isAbandoned: false, isLetGo: false }
    const line: Line = { name, wire, socket, session, said: new Set(), ...states }
    this.lines.push(line)
    story.note(name, `connects for ${session} ${plan ? JSON.stringify(plan) : ''}`)
    wire.breakAt(plan)
    socket.onopen = () => {
      // Meanwhile the peer may have tried another one.
      if (this.line === line) opened(line)
      else this.close(line)
    }
    socket.onmessage = ({ data }) => {
      if (!line.isAbandoned) this.hear(line, String(data))
    }
    socket.onclose = ({ code }) => this.lost(line, code)
    return line
  }

  protected close(line: Line): void {
    line.isLetGo = true
    line.socket.close(1000)
  }
}
