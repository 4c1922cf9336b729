import { type ConnectionState, type JoinOptions, type Parley, ParleyError, type Peer, type Room } from '@parley/client'

/**
 * Is in a room for as long as the component is there, and shows it as it is. Enters another one when the options become others.
 * To be called while a component is made, as `$effect` is.
 * @param parley who this is; made once, outside of all components
 */
export function useRoom(parley: Parley, options: () => JoinOptions | undefined) {
  // Raw: the SDK's objects are its own to change.
  let room = $state.raw<Room>()
  let state = $state.raw<ConnectionState | { status: 'idle' | 'joining' }>({ status: 'idle' })
  let error = $state.raw<ParleyError>()
  let peers = $state.raw<readonly Peer[]>([])

  const show = (entered: Room) => {
    state = entered.state
    error = 'error' in entered.state ? entered.state.error : undefined
    peers = [...entered.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  const enter = async (options: JoinOptions, isOver: () => boolean) => {
    state = { status: 'joining' }
    try {
      const entered = await parley.join(options)
      if (isOver()) return entered.leave()
      room = entered
      for (const event of ['state', 'peerJoined', 'peerLeft', 'peerUpdated'] as const) {
        entered.on(event, () => room === entered && show(entered))
      }
      show(entered)
    } catch (cause) {
      if (isOver()) return
      error = cause instanceof ParleyError ? cause : new ParleyError('DISCONNECTED', String(cause), { cause })
      state = { status: 'closed', error }
    }
  }

  $effect(() => {
    const wanted = options()
    if (!wanted) return
    let isOver = false
    void enter(wanted, () => isOver)
    // Called when the options are others, and when the component goes.
    return () => {
      isOver = true
      const left = room
      room = error = undefined
      peers = []
      state = { status: 'idle' }
      left?.leave()
    }
  })

  return {
    get room() {
      return room
    },
    get state() {
      return state
    },
    get error() {
      return error
    },
    get peers() {
      return peers
    },
  }
}
