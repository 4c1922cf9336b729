import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Backplane, Envelope } from './backplane.ts'

/** What every backplane must do. `open` gives the backplanes of two nodes that are connected. */
export function backplaneContract(name: string, open: () => Promise<readonly [Backplane, Backplane]>): void {
  describe(`backplane: ${name}`, () => {
    let here: Backplane
    let there: Backplane
    beforeAll(async () => {
      ;[here, there] = await open()
    })
    afterAll(() => Promise.all([here.close(), there.close()]))

    const about = (room_id: string): Envelope => ({ type: 'room_deleted', room_id })

    /** Subscribes, and gives a promise of the first envelope beside all that came. */
    async function listen(backplane: Backplane, room: string) {
      const heard: Envelope[] = []
      const { promise: first, resolve } = Promise.withResolvers<Envelope>()
      const unsubscribe = await backplane.subscribe(room, envelope => {
        heard.push(envelope)
        resolve(envelope)
      })
      return { heard, first, unsubscribe }
    }

    test('tells every subscriber of a room, here and there, once', async () => {
      const subscribers = [await listen(here, 'a'), await listen(here, 'a'), await listen(there, 'a')]
      const last = [await listen(here, 'a-end'), await listen(there, 'a-end')]
      await here.publish(about('a'))
      await here.publish(about('a-end'))
      await Promise.all(last.map(({ first }) => first))
      for (const { heard } of subscribers) expect(heard).toEqual([about('a')])
    })

    test('tells nobody of another room', async () => {
      const other = await listen(there, 'b')
      const end = await listen(there, 'b-end')
      await here.publish(about('c'))
      await here.publish(about('b-end'))
      await end.first
      expect(other.heard).toEqual([])
    })

    test('tells nothing to one who has unsubscribed, and everything to the others', async () => {
      const gone = await listen(there, 'd')
      const stays = await listen(there, 'd')
      gone.unsubscribe()
      gone.unsubscribe()
      await here.publish(about('d'))
      await stays.first
      expect(gone.heard).toEqual([])
    })

    test('delivers in the order of publication', async () => {
      const order: string[] = []
      const { promise: done, resolve } = Promise.withResolvers<void>()
      const rooms = Array.from({ length: 100 }, (_, i) => `order-${i}`)
      for (const room of rooms) {
        await there.subscribe(room, ({ room_id }) => {
          order.push(room_id)
          if (order.length === rooms.length) resolve()
        })
      }
      for (const room of rooms) await here.publish(about(room))
      await done
      expect(order).toEqual(rooms)
    })

    test('does not mind a room that nobody listens to', async () => {
      await here.publish(about('nobody'))
      await here.ready()
    })
  })
}
