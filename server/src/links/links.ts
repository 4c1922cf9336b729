import { SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { callNode, type NodeAddress } from './calls.ts'
import { greet } from './greeting.ts'
import { type Agreed, answererHandshake, type Credentials, versions } from './handshake.ts'
import { type FrameTypes, type Link, type LinkListener, leastType } from './link.ts'
import { Strangers } from './strangers.ts'
import { Wire, wireHandlers } from './wire.ts'
import { WireLink } from './wire-link.ts'

export interface LinksOptions {
  /** Of this node: 1 to 64 letters, digits, `_`, `.` and `-`. */
  readonly id: string
  /** Where other nodes reach it; port 0 takes a free one. */
  readonly hostname: string
  readonly port: number
  /**
   * The secrets of the cluster, asked for at each handshake. The first is used, any is accepted. Those of fewer than 16
   * characters count as none, and without one there are no links.
   */
  readonly secrets: () => readonly string[]
  readonly types: FrameTypes
  readonly listener: LinkListener
  readonly clock: Clock
  readonly log: Log
  /** Bytes that may wait on one link; 16 MiB unless it is given. */
  readonly bound?: number
  /** The versions of the link protocol that this node speaks, if not those of this program: for tests. */
  readonly versions?: Credentials['versions']
}

/** The links of one node. */
export interface Links {
  /** On which it is called. */
  readonly port: number
  /**
   * The one link that this node has called to that one, opened if there is none.
   * @throws SignalingError UNAVAILABLE when that fails or takes longer than 1 s; the log says why
   */
  to(node: NodeAddress): Promise<Link>
  /**
   * Whether the node answers at its address, proves that it has this id, and does so within 1 s. It is asked over a connection
   * of its own, whatever links there are. One that speaks other versions of the link protocol answers, too.
   */
  answers(node: NodeAddress): Promise<boolean>
  /** Ends all links, as `Link.close` does, and opens no more. */
  close(): void
}

const defaultBound = 16 * 1024 * 1024

/** Opens the port on which other nodes call this one. @throws Error with code EADDRINUSE and the like */
export function openLinks(options: LinksOptions): Links {
  const { clock, log, types, listener, bound = defaultBound } = options
  for (const type of types.keys()) {
    if (!Number.isInteger(type) || type < leastType || type > 255)
      throw new RangeError(`${type} is no type of a frame.`)
  }
  const self: Credentials = { id: options.id, secrets: options.secrets, versions: options.versions ?? versions }
  const parts = { clock, log, types, listener, bound }
  const strangers = new Strangers(clock, log)
  /** By the id of the other node: those that this node has called, those that it is calling, and those that have called it. */
  const called = new Map<string, WireLink>()
  const calling = new Map<string, Promise<Link>>()
  const answered = new Map<string, WireLink>()
  const closed = new AbortController()

  /** @throws Error when no version is spoken by both */
  function open(wire: Wire, agreed: Agreed, isCaller: boolean): WireLink {
    const { nodeId, version } = agreed
    if (version === undefined) throw new Error(versionsDiffer(self, agreed))
    const links = isCaller ? called : answered
    // A node that calls again knows of no other link.
    links.get(nodeId)?.break('replaced by a newer one')
    const link = new WireLink({ nodeId, isCaller, version }, wire, parts)
    links.set(nodeId, link)
    link.onClosed(() => links.delete(nodeId))
    return link
  }

  function answer(wire: Wire): void {
    strangers.add(wire)
    greet(wire, answererHandshake(self), agreed, reason => {
      strangers.remove(wire)
      strangers.refused(wire.address, reason)
    })

    function agreed(outcome: Agreed): void {
      strangers.remove(wire)
      if (outcome.purpose === 'question') {
        wire.close('asked and answered')
        return
      }
      try {
        const link = open(wire, outcome, false)
        link.guarded(() => listener.opened(link))
      } catch (error) {
        const reason = (error as Error).message
        wire.close(reason)
        log.warn({ node: outcome.nodeId, reason }, 'link refused')
      }
    }
  }

  async function call(node: NodeAddress): Promise<Link> {
    try {
      return await callNode(self, node, 'link', clock, closed.signal, (wire, agreed) => open(wire, agreed, true))
    } catch (cause) {
      log.warn({ node: node.id, address: node.address, reason: (cause as Error).message }, 'link not opened')
      throw new SignalingError('UNAVAILABLE', 'Another node of this server does not answer.', { cause })
    } finally {
      calling.delete(node.id)
    }
  }

  const handlers = wireHandlers(socket => {
    const wire = new Wire(socket, clock)
    answer(wire)
    return wire
  })
  const server = Bun.listen<Wire>({ hostname: options.hostname, port: options.port, socket: handlers })

  return {
    port: server.port,
    async to(node) {
      const link = called.get(node.id)
      if (link) return link
      const pending = calling.get(node.id) ?? call(node)
      calling.set(node.id, pending)
      return pending
    },
    async answers(node) {
      try {
        return await callNode(self, node, 'question', clock, closed.signal, wire => {
          wire.close('asked and answered')
          return true
        })
      } catch (error) {
        log.info({ node: node.id, address: node.address, reason: (error as Error).message }, 'node does not answer')
        return false
      }
    },
    close() {
      server.stop()
      closed.abort(new Error('this node stops'))
      strangers.close()
      for (const link of [...called.values(), ...answered.values()]) link.close()
    },
  }
}

function versionsDiffer({ versions: ours }: Credentials, { theirVersions: theirs }: Agreed): string {
  const said = ({ oldest, newest }: Credentials['versions']) => `${oldest} to ${newest}`
  return `it speaks versions ${said(theirs)} of the link protocol, this node ${said(ours)}`
}
