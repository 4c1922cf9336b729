import type { Connection, Room } from '@parley/client'
import type { Context } from './command.ts'
import type { ExecHook } from './exec-hook.ts'
import { exitCodes } from './failure.ts'
import type { Parts } from './files/parts.ts'
import { eachLine } from './lines.ts'
import { meansOf } from './means.ts'
import { Receiver } from './receiver.ts'
import { connectionNews, tellState } from './room-news.ts'
import { aborted } from './stay-connected.ts'
import { Transfers } from './transfers.ts'

export interface ServeOptions {
  /** Those of the folder where received files go. */
  readonly parts: Parts
  readonly hook: ExecHook | undefined
  /** Ends when the first peer that has connected has gone. */
  readonly once: boolean
}

/** Milliseconds in which a peer whose connection was lost is expected back. */
const comesBackWithin = 60_000

/** Milliseconds for those who are connected to take what was sent last. */
const farewellWithin = 1_000

/**
 * Serves everybody who connects, until it is interrupted or the room is over. Then the connections are closed.
 * Resolves with the exit code.
 * @throws ParleyError that says why the room is over
 */
export async function serve(room: Room, options: ServeOptions, context: Context): Promise<number> {
  const { out, interruption, stdin } = context
  const { parts, hook, once } = options
  // What goes on ends when the user wants it, and also when there is no room any more and nobody to serve.
  const ending = new AbortController()
  const end = () => ending.abort()
  interruption.signal.addEventListener('abort', end)

  const transfers = new Transfers(out)
  const { signal } = ending
  const receiver = new Receiver({ parts, transfers, signal, kept: file => hook?.add(file) })
  const { talk, onFile } = meansOf(room, out)
  const tell = connectionNews(out)
  const connections = new Set<Connection>()
  const parted = new Promise<void>(resolve => {
    room.on('connection', connection => {
      connections.add(connection)
      talk.add(connection)
      tell(connection)
      let wasConnected = false
      connection.on('status', status => {
        wasConnected ||= status === 'connected'
        if (status !== 'closed') return
        connections.delete(connection)
        if (!wasConnected) return
        // Whoever was lost may come back and go on.
        if (connection.error?.retryable) setTimeout(() => connections.size === 0 && resolve(), comesBackWithin).unref()
        else resolve()
      })
    })
  })
  const offFile = onFile(receiver.take)
  tellState(room, out)
  const over = room.once('state', ({ status }) => status === 'closed')
  void eachLine({ input: stdin, out, screen: process.stderr }, signal, async text => {
    if ((await talk.say(text)) === 0) out.hint(({ yellow }) => `${yellow('!')} Nobody is connected; that went nowhere.`)
  })

  try {
    await Promise.race([aborted(interruption.signal), over, ...(once ? [parted] : [])])
    const { state } = room
    if (state.status === 'closed' && state.error) throw state.error
    if (once && !interruption.signal.aborted) {
      await receiver.idle()
      await hook?.idle()
    }
    return receiver.failures + (hook?.failures ?? 0) > 0 && once ? exitCodes.failed : exitCodes.ok
  } finally {
    end()
    await receiver.idle()
    await Promise.all([hook?.stop(), talk.close(farewellWithin)])
    room.leave()
    for (const connection of connections) connection.close()
    // Not before: a sender that comes again in between would be told that nobody here takes files.
    offFile()
  }
}
