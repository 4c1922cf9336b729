import { setTimeout } from 'node:timers/promises'
import { type Connection, ParleyError, type Room } from '@parley/client'
import type { LeaveReason } from '@parley/protocol'

export interface StayOptions {
  /** Ends it. */
  readonly signal: AbortSignal
  /** There is a connection, for the first time or again. */
  readonly connected: (connection: Connection) => void
  /** It is lost; another one is being made. */
  readonly lost: (error: ParleyError) => void
  /** Milliseconds without a connection after which it is given up. Default: a minute. */
  readonly giveUpAfter?: number
}

/** Milliseconds between two attempts: at first, and at most. */
export const firstPause = 500
export const longestPause = 8_000

/** Milliseconds from the end of a connection to the word of the server that the peer has left. */
const noticeWithin = 2_000

/**
 * Keeps a connection to a peer: when it is lost, another one is made. Resolves when the peer has left the room, or `signal`
 * is aborted.
 * @param first that there is already
 * @throws ParleyError, if there is none again
 */
export async function stayConnected(room: Room, first: Connection, options: StayOptions): Promise<void> {
  const { signal, connected, lost } = options
  const { peerId } = first
  const hasLeft = departure(room, peerId)
  let connection = first
  for (;;) {
    connected(connection)
    await ended(connection, signal)
    const { error } = connection
    // One that was closed on purpose may be wanted again, unless the peer has left the room.
    if (signal.aborted || (!error?.retryable && (await hasLeft(signal)))) return
    lost(error ?? new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} has ended.`, { retryable: true }))
    try {
      connection = await connectAgain(room, peerId, options)
    } catch (reason) {
      if (signal.aborted) return
      throw reason
    }
  }
}

/** Looks after a peer. The result tells whether it has left on purpose, as soon as that is known. */
function departure(room: Room, peerId: string): (signal: AbortSignal) => Promise<boolean> {
  let reason: LeaveReason | undefined
  room.on('peerLeft', (id, why) => {
    if (id === peerId) reason = why
  })
  room.on('peerJoined', ({ id }) => {
    if (id === peerId) reason = undefined
  })
  const isOver = () => room.state.status === 'closed' || (reason !== undefined && deliberate.includes(reason))
  return async signal => {
    if (isOver()) return true
    const over = new AbortController()
    const left = room.once('peerLeft', id => id === peerId, over.signal)
    const closed = room.once('state', ({ status }) => status === 'closed', over.signal)
    const late = setTimeout(noticeWithin, undefined, { signal }).catch(() => {})
    await Promise.race([left, closed, late])
    over.abort()
    return isOver()
  }
}

const deliberate: readonly LeaveReason[] = ['left', 'removed', 'room_closed']

async function connectAgain(room: Room, peerId: string, { signal, giveUpAfter = 60_000 }: StayOptions) {
  const giveUpAt = Date.now() + giveUpAfter
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
    try {
      return await room.connect(peerId, { signal })
    } catch (error) {
      // A peer whose own connection to the server broke is away for a moment.
      const isPassing = error instanceof ParleyError && (error.retryable || error.code === 'PEER_NOT_FOUND')
      if (signal.aborted || !isPassing || Date.now() + pause > giveUpAt) throw error
    }
    // Jitter, for those who have lost it at the same time.
    await setTimeout(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
  }
}

async function ended(connection: Connection, signal: AbortSignal): Promise<void> {
  if (connection.status === 'closed') return
  const over = new AbortController()
  const closed = connection.once('status', status => status === 'closed', over.signal)
  await Promise.race([closed, aborted(signal, over.signal)])
  over.abort()
}

/** Resolves when it is aborted; does not listen any more once `over` is. */
export function aborted(signal: AbortSignal, over?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true, ...(over && { signal: over }) })
  })
}
