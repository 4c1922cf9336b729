import type { Backplane, Envelope } from './backplane.ts'

/** The backplane of a server that is alone, or of several in one process that are given the same one. */
export function inProcess(): Backplane {
  const subscribers = new Map<string, Set<(envelope: Envelope) => void>>()
  return {
    async subscribe(roomId, deliver) {
      const inRoom = subscribers.get(roomId) ?? new Set()
      subscribers.set(roomId, inRoom)
      // A wrapper of its own, so that two subscriptions with the same function are two.
      const subscriber = (envelope: Envelope) => deliver(envelope)
      inRoom.add(subscriber)
      return () => {
        inRoom.delete(subscriber)
        if (inRoom.size === 0 && subscribers.get(roomId) === inRoom) subscribers.delete(roomId)
      }
    },
    async publish(envelope) {
      for (const deliver of [...(subscribers.get(envelope.room_id) ?? [])]) deliver(envelope)
    },
    async ready() {},
    async close() {
      subscribers.clear()
    },
  }
}
