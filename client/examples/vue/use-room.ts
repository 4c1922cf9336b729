import { type ConnectionState, type JoinOptions, type Parley, ParleyError, type Peer, type Room } from '@parley/client'
import { type MaybeRefOrGetter, shallowRef, toValue, watch } from 'vue'

/**
 * Is in a room for as long as the component is there, and shows it as it is. Enters another one when the options become others.
 * @param parley who this is; made once, outside of all components
 */
export function useRoom(parley: Parley, options: MaybeRefOrGetter<JoinOptions | undefined>) {
  // Shallow: the SDK's objects have private members, which a proxy of Vue's cannot reach.
  const room = shallowRef<Room>()
  const state = shallowRef<ConnectionState | { status: 'idle' | 'joining' }>({ status: 'idle' })
  const error = shallowRef<ParleyError>()
  const peers = shallowRef<readonly Peer[]>([])

  const show = (entered: Room) => {
    state.value = entered.state
    error.value = 'error' in entered.state ? entered.state.error : undefined
    peers.value = [...entered.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  const enter = async (options: JoinOptions, isOver: () => boolean) => {
    state.value = { status: 'joining' }
    try {
      const entered = await parley.join(options)
      if (isOver()) return entered.leave()
      room.value = entered
      for (const event of ['state', 'peerJoined', 'peerLeft', 'peerUpdated'] as const) {
        entered.on(event, () => room.value === entered && show(entered))
      }
      show(entered)
    } catch (cause) {
      if (isOver()) return
      error.value = cause instanceof ParleyError ? cause : new ParleyError('DISCONNECTED', String(cause), { cause })
      state.value = { status: 'closed', error: error.value }
    }
  }

  watch(
    () => toValue(options),
    (options, _before, onCleanup) => {
      let isOver = false
      // Called when the options are others, and when the component goes.
      onCleanup(() => {
        isOver = true
        const left = room.value
        room.value = error.value = undefined
        peers.value = []
        state.value = { status: 'idle' }
        left?.leave()
      })
      if (options) void enter(options, () => isOver)
    },
    { immediate: true },
  )

  return { room, state, error, peers }
}
