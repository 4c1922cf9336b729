import type { Connection, Room } from '@parley/client'
import { explain, told } from './failure.ts'
import type { Output } from './output.ts'
import { printable } from './terminal.ts'

/** Tells when the connection to the server is lost, and when it is back. */
export function tellState(room: Room, out: Output): void {
  let isAway = false
  room.on('state', state => {
    const { status } = state
    if (status === 'closed') return
    if (status === 'connected') {
      out.news({ event: 'server', status }, isAway ? ({ green }) => `${green('✓')} The server is back.` : undefined)
      isAway = false
      return
    }
    const { attempt, retryAt, error } = state
    const members = {
      event: 'server',
      status,
      attempt,
      retry_at: retryAt / 1000,
      code: error.code,
      message: error.message,
    }
    // Once for each time: that it is tried again and again needs no line for each.
    const text = isAway ? undefined : 'The server is away; connecting again. What is connected stays so.'
    out.news(members, text && (({ yellow }) => `${yellow('!')} ${text}`))
    isAway = true
  })
}

/** Tells what becomes of connections, each of which it may be given more than once. */
export function connectionNews(out: Output): (connection: Connection) => void {
  const known = new WeakSet<Connection>()
  return connection => {
    if (known.has(connection)) return
    known.add(connection)
    let isConnected = false
    const tell = () => {
      tellStatus(connection, isConnected, out)
      isConnected ||= connection.status === 'connected'
    }
    connection.on('status', tell)
    tell()
  }
}

function tellStatus({ peerId: peer, status, error }: Connection, wasConnected: boolean, out: Output): void {
  const name = printable(peer)
  switch (status) {
    case 'connected':
      out.news(
        { event: wasConnected ? 'restored' : 'connected', peer },
        ({ green }) => `${green('✓')} ${name} is ${wasConnected ? 'back' : 'connected'}.`,
      )
      return
    case 'interrupted':
      out.news({ event: 'interrupted', peer }, ({ yellow }) => `${yellow('!')} ${name} is not heard at the moment.`)
      return
    case 'closed': {
      const how = error ? explain(error) : undefined
      const members = how ? { code: how.code, message: how.sentence } : {}
      out.news({ event: 'disconnected', peer, ...members }, ({ yellow }) =>
        how ? `${yellow('!')} ${printable(told(how))}` : `${name} has gone.`,
      )
      return
    }
    case 'connecting':
      return
    default:
      status satisfies never
  }
}
