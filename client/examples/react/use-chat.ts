import type { Connection, JoinOptions, Parley, ParleyError } from '@parley/client'
import { type UseRoomResult, useRoom } from '@parley/client/react'
import { useCallback, useRef, useState } from 'react'

export interface Line {
  /** Names it, for React. */
  readonly key: number
  readonly peerId: string
  readonly text: string
  readonly isMine: boolean
}

export interface UseChat extends UseRoomResult {
  readonly lines: readonly Line[]
  /** Says something to a peer, connecting to it if need be. What goes wrong is a line, too. */
  say(peerId: string, text: string): Promise<void>
}

/** A room in which peers talk over data channels with the label `chat`, as `parley connect` does. */
export function useChat(parley: Parley, options: JoinOptions): UseChat {
  const [lines, setLines] = useState<readonly Line[]>([])
  const chats = useRef(new WeakMap<Connection, Promise<RTCDataChannel>>())

  const add = useCallback(
    (line: Omit<Line, 'key'>) => setLines(lines => [...lines, { ...line, key: lines.length }]),
    [],
  )

  const listen = useCallback(
    (connection: Connection, channel: RTCDataChannel) => {
      chats.current.set(connection, Promise.resolve(channel))
      channel.addEventListener('message', ({ data }) => {
        if (typeof data === 'string') add({ peerId: connection.peerId, text: data, isMine: false })
      })
      return channel
    },
    [add],
  )

  const view = useRoom(parley, options, {
    onConnection(connection) {
      connection.on('channel', channel => {
        if (channel.label === 'chat') listen(connection, channel)
      })
    },
  })

  const { room, connect } = view
  const say = useCallback(
    async (peerId: string, text: string) => {
      if (!room) return
      // Has the hook know of the connection from the beginning.
      connect(peerId)
      try {
        const connection = await room.connect(peerId)
        const open = () => connection.open('chat').then(channel => listen(connection, channel))
        // Two texts in a row shall not open two channels.
        const chat = chats.current.get(connection) ?? open()
        chats.current.set(connection, chat)
        const channel = await chat
        channel.send(text)
        add({ peerId, text, isMine: true })
      } catch (error) {
        add({ peerId, text: `Not sent: ${(error as ParleyError).message}`, isMine: true })
      }
    },
    [room, connect, listen, add],
  )
  return { ...view, lines, say }
}
