import { setTimeout } from 'node:timers/promises'
import type { CreatedRoom, Parley, Room } from '@parley/client'
import { explain, told } from './failure.ts'
import type { Output } from './output.ts'

/** Seconds that a room lives of which the server does not say it. */
const usualLife = 7200

/** How often in its life it is given more: what fails once may still be done the next time. */
const extensions = 3

/** Milliseconds that somebody who wants to end may have to wait for the room to be deleted. */
const deleteWithin = 3_000

/** @throws ParleyError */
export async function makeRoom(parley: Parley, out: Output): Promise<[CreatedRoom, OwnRoom]> {
  const created = await parley.createRoom()
  return [created, new OwnRoom(parley, created, out)]
}

/** A room that this program has made: it lasts as long as the program, and no longer. */
export class OwnRoom {
  constructor(
    private readonly parley: Parley,
    private readonly created: CreatedRoom,
    private readonly out: Output,
  ) {}

  /** Gives the room its full time again and again, long before its end, and when the server says that it is near. */
  keepAlive(room: Room): void {
    const { expiresAt } = this.created
    const life = expiresAt === undefined ? usualLife : Math.ceil(expiresAt - Date.now() / 1000)
    const extend = () => void this.#extend(life)
    setInterval(extend, (life * 1000) / extensions).unref()
    room.on('expiring', extend)
  }

  /** Never fails: a room that cannot be deleted ends by itself. */
  async delete(): Promise<void> {
    const deleted = this.parley.request({ method: 'DELETE', path: this.#path }).then(
      () => true,
      // Somebody has done it already.
      error => explain(error).code === 'ROOM_NOT_FOUND',
    )
    const inTime = setTimeout(deleteWithin, false, { ref: false })
    const { roomId } = this.created
    if (await Promise.race([deleted, inTime])) this.out.news({ event: 'room_deleted', room_id: roomId }, undefined)
    else {
      this.out.news(
        { event: 'room_left_behind', room_id: roomId },
        ({ yellow }) => `${yellow('!')} The room could not be deleted; it will end by itself.`,
      )
    }
  }

  async #extend(life: number): Promise<void> {
    const { roomId } = this.created
    try {
      await this.parley.request({ method: 'PATCH', path: this.#path, body: { ttl_seconds: life } })
      this.out.news({ event: 'room_extended', room_id: roomId, seconds: life }, undefined)
    } catch (error) {
      const how = explain(error)
      this.out.news(
        { event: 'room_expiring', room_id: roomId, code: how.code, message: how.sentence },
        ({ yellow }) => `${yellow('!')} The room was to be given more time, but: ${told(how)}`,
      )
    }
  }

  get #path(): string {
    return `/rooms/${encodeURIComponent(this.created.roomId)}`
  }
}
