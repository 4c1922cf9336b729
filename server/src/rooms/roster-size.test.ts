import { expect, test } from 'bun:test'
import { startServer } from '../../test/harness.ts'

const MiB = 1024 * 1024
/** 92 characters as people count them, and 2,300 bytes. */
const families = '👨‍👩‍👧‍👦'.repeat(92)
/** JSON writes a backslash before each. */
const role = '"'.repeat(64)

test('a room is full before those who enter could not be told of it in 1 MiB', async () => {
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' })
  const id_token = await server.signIn()
  const { room_id, token } = await server.createRoom(id_token)
  const enter = async (members: object) => {
    const peer = await server.connect()
    peer.send({ type: 'register', room_id, token, id_token, ...members })
    const text = await peer.nextText()
    return { peer, text, reply: JSON.parse(text) }
  }
  // The first is a plain peer, and enters again in the end.
  const plain = { peer_id: 'plain' }
  await enter(plain)
  let last = await enter({ peer_id: 'presence', features: ['presence'] })
  let inside = 0
  for (; last.reply.type === 'registered_auth'; inside++) {
    last = await enter({ peer_id: `${families}${inside}`, role, metadata: { m: 'x'.repeat(1000) } })
  }
  expect(last.reply).toMatchObject({ type: 'error', code: 'LIMIT_REACHED' })
  expect(last.reply.reason).toContain('one message')
  expect(inside).toBeGreaterThan(100)

  for (const members of [plain, { peer_id: 'presence', features: ['presence'] }]) {
    const { peer, text, reply } = await enter(members)
    expect(reply).toMatchObject({ type: 'registered_auth' })
    expect(reply.peer_list).toHaveLength(inside)
    expect(Buffer.byteLength(text)).toBeLessThan(MiB)
    // Others have left no more room for what it says of itself, either.
    const change = { type: 'update_metadata', peer_id: members.peer_id, metadata: { m: 'x'.repeat(16_000) } }
    expect(await peer.ask(change)).toMatchObject({ code: 'LIMIT_REACHED' })
    peer.send({ type: 'discover_peers', from_peer_id: members.peer_id, filters: {} })
    expect(Buffer.byteLength(await peer.nextText())).toBeLessThan(MiB)
  }
})
