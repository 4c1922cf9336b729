import { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { type Subject, startDefaultParley } from '../processes.ts'
import { attackerAddress, type Furniture } from './field.ts'
import { httpRequest } from './http.ts'
import { askPatiently, createRoomFrom, signInFrom } from './patience.ts'

/** Letters of a name and of a channel, and channels of an invitation, at most. */
const nameLength = 128
const channelLength = 64
const channels = 5

/**
 * Has a server make a room with as many invitations as asked, each as long as may be, and copies it in the database when the
 * server has stopped: the server itself would take a minute for thousands of them.
 */
export async function furnish(folder: string, invites: number, copies: number): Promise<Furniture> {
  const parley = await startDefaultParley(folder)
  const made = await makeRoom(parley, invites)
  await parley.stop()
  return { ...made, copies: copyRoom(join(folder, 'data', 'rooms.sqlite'), made.room.room_id, copies) }
}

async function makeRoom({ http = '' }: Subject, invites: number): Promise<Omit<Furniture, 'copies'>> {
  const idToken = await signInFrom(http, attackerAddress)
  const metadata = { note: 'x'.repeat(16_000) }
  const room = await createRoomFrom(http, attackerAddress, idToken, { name: 'x'.repeat(nameLength), metadata })
  const names = Array.from({ length: channels }, (_, n) => `${n}-`.padEnd(channelLength, 'x'))
  const body = JSON.stringify({ role: 'x'.repeat(64), channels: names })
  const invite = httpRequest('POST', `/rooms/${room.room_id}/invites`, { bearer: idToken, body })
  for (let made = 0; made < invites; made++) await askPatiently(http, attackerAddress, invite)
  return { idToken, room }
}

/** @returns the ids of the copies */
function copyRoom(file: string, roomId: string, copies: number): string[] {
  const database = new Database(file, { strict: true })
  const columns = database.query<{ name: string }, []>("SELECT name FROM pragma_table_info('rooms')").all()
  const others = columns.map(({ name }) => name).filter(name => name !== 'room_id')
  const list = others.join(', ')
  const copy = database.query<void, { id: string; from: string }>(
    `INSERT INTO rooms (room_id, ${list}) SELECT $id, ${list} FROM rooms WHERE room_id = $from`,
  )
  const ids = Array.from({ length: copies }, (_, n) => `${roomId.slice(0, -4)}${String(n).padStart(4, '0')}`)
  database.transaction(() => {
    for (const id of ids) copy.run({ id, from: roomId })
  })()
  database.close()
  return ids
}
