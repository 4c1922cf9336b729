import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startServer, type TestPeer, type TestServer } from '../../test/harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const newRoom = async () => server.createRoom(await server.signIn())

/** Peers a and b of one room. */
async function pair(members: object = {}) {
  const room = await newRoom()
  return { room, a: await server.join(room, 'a', members), b: await server.join(room, 'b', members) }
}

/** Sends `text` from one peer and gives the very text that the other one gets. */
function passed(from: TestPeer, to: TestPeer, text: string): Promise<string> {
  from.send(text)
  return to.nextText()
}

describe('query', () => {
  test('is answered with the ids of the others', async () => {
    const { room, a } = await pair()
    await server.join(room, 'c')
    expect(await a.ask({ type: 'query' })).toEqual({ type: 'available_peers', peers: ['b', 'c'] })
    expect(await a.ask({ type: 'query', request_id: 'r-1' })).toEqual({
      type: 'available_peers',
      peers: ['b', 'c'],
      request_id: 'r-1',
    })
  })

  test('before register is NOT_IN_ROOM, as everything else is', async () => {
    using stranger = await server.connect()
    for (const message of [
      { type: 'query' },
      { type: 'discover_peers' },
      { type: 'update_metadata', metadata: {} },
      { type: 'peer_message', to_peer_id: 'a', payload: 1 },
      { type: 'mesh_connect', target_peer_id: 'a', offer: 1 },
      { type: 'join_channel', channel: 'x' },
      { type: 'broadcast', payload: 1 },
      { type: 'get_ice_servers' },
    ]) {
      expect(await stranger.ask(message)).toMatchObject({ type: 'error', code: 'NOT_IN_ROOM' })
    }
  })
})

describe('discover_peers', () => {
  async function labs() {
    const room = await newRoom()
    const a = await server.join(room, 'a', { role: 'client' })
    const gpu = { tags: ['gpu', 'cuda'], properties: { memory_gb: 24, busy: false } }
    await server.join(room, 'gpu', { role: 'worker', metadata: gpu })
    await server.join(room, 'cpu', { role: 'worker', metadata: { tags: ['cpu'], properties: { memory_gb: 8 } } })
    await server.join(room, 'odd', { role: 'worker', metadata: { tags: 'gpu', properties: ['memory_gb'] } })
    const found = async (filters: object) => {
      const { peers } = (await a.ask({ type: 'discover_peers', from_peer_id: 'a', filters })) as {
        peers: { peer_id: string }[]
      }
      return peers.map(peer => peer.peer_id)
    }
    return { a, gpu, found }
  }

  test('is answered with what the others say of themselves, and since when they are there', async () => {
    const { a, gpu } = await labs()
    const before = Date.now() / 1000
    const filters = { role: 'worker', tags: ['gpu'], room_id: 'ignored' }
    const list = await a.ask({ type: 'discover_peers', from_peer_id: 'a', filters, request_id: 'r-1' })
    const [peer] = list.peers as { connected_at: number }[]
    expect(list).toEqual({
      type: 'peer_list',
      to_peer_id: 'a',
      count: 1,
      peers: [{ peer_id: 'gpu', role: 'worker', metadata: gpu, connected_at: peer?.connected_at }],
      request_id: 'r-1',
    })
    expect(peer?.connected_at).toBeWithin(before - 60, before + 1)
  })

  test('finds by role, tags and properties, and whom it does not find it leaves in peace', async () => {
    const { found } = await labs()
    expect(await found({})).toEqual(['gpu', 'cpu', 'odd'])
    expect(await found({ role: 'client' })).toEqual([])
    expect(await found({ tags: ['cpu', 'gpu'] })).toEqual(['gpu', 'cpu'])
    expect(await found({ tags: [] })).toEqual([])
    expect(await found({ properties: { memory_gb: { $gte: 8, $lt: 24 } } })).toEqual(['cpu'])
    expect(await found({ properties: { busy: { $exists: true } } })).toEqual(['gpu'])
    expect(await found({ properties: { memory_gb: { $in: [8, 16] } } })).toEqual(['cpu'])
    expect(await found({ role: 7 })).toEqual([])
  })

  test('refuses what nobody could pass, though nobody is there', async () => {
    using alone = await server.join(await newRoom(), 'a')
    for (const filters of [{ properties: { a: { $like: 'x' } } }, 'gpu', [], 7]) {
      expect(await alone.ask({ type: 'discover_peers', filters })).toMatchObject({ code: 'INVALID_MESSAGE' })
    }
    const hostile = '{"type":"discover_peers","filters":{"properties":{"__proto__":{"$exists":true}},"__proto__":1}}'
    expect(await alone.ask(hostile)).toMatchObject({ type: 'peer_list', count: 0 })
  })
})

describe('update_metadata', () => {
  test('unites tags, merges properties, keeps the rest; later comers find the outcome', async () => {
    const room = await newRoom()
    using a = await server.join(room, 'a', {
      metadata: { name: 'A', tags: ['gpu'], properties: { memory_gb: 24, busy: true } },
    })
    const change = { tags: ['idle', 'gpu'], properties: { busy: false } }
    const metadata = { name: 'A', tags: ['gpu', 'idle'], properties: { memory_gb: 24, busy: false } }
    expect(await a.ask({ type: 'update_metadata', peer_id: 'a', metadata: change })).toEqual({
      type: 'metadata_updated',
      peer_id: 'a',
      metadata,
    })
    using late = await server.connect()
    const id_token = await server.signIn()
    const reply = await late.ask({ type: 'register', peer_id: 'b', ...room, id_token })
    expect(reply.peer_metadata).toEqual({ a: metadata })
  })

  test('that would make it too big changes nothing', async () => {
    using a = await server.join(await newRoom(), 'a', { metadata: { x: 'x'.repeat(10_000) } })
    const change = { type: 'update_metadata', metadata: { y: 'y'.repeat(10_000) } }
    expect(await a.ask(change)).toMatchObject({ code: 'INVALID_MESSAGE' })
    expect(await a.ask({ type: 'update_metadata', metadata: { z: 1 } })).toMatchObject({
      metadata: { x: 'x'.repeat(10_000), z: 1 },
    })
  })

  test("of somebody else is refused, and so is a prototype's, which is a key like others", async () => {
    const { a } = await pair()
    expect(await a.ask({ type: 'update_metadata', peer_id: 'b', metadata: {} })).toMatchObject({
      code: 'SENDER_MISMATCH',
    })
    a.send('{"type":"update_metadata","metadata":{"__proto__":{"polluted":true}}}')
    expect(await a.nextText()).toContain('"metadata":{"__proto__":{"polluted":true}}')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('all of a room together have a bound, so that whoever enters can read it', async () => {
    await using small = await startServer({ PARLEY_MAX_ROOM_METADATA_BYTES: '1024' })
    const room = await small.createRoom(await small.signIn())
    using a = await small.join(room, 'a', { metadata: { x: 'x'.repeat(900) } })
    await expect(small.join(room, 'b', { metadata: { x: 'x'.repeat(200) } })).rejects.toThrow('LIMIT_REACHED')
    using b = await small.join(room, 'b')
    const change = { type: 'update_metadata', metadata: { x: 'x'.repeat(200) } }
    expect(await b.ask(change)).toMatchObject({ code: 'LIMIT_REACHED' })
    expect(await a.ask({ type: 'update_metadata', metadata: { x: '' } })).toMatchObject({ type: 'metadata_updated' })
    expect(await b.ask(change)).toMatchObject({ type: 'metadata_updated' })
  })
})

describe('peer_message', () => {
  test('reaches its target with the sender named and the payload untouched', async () => {
    const { a, b } = await pair()
    const payload = '{"n":1.0, "big":9007199254740993,"z":1,"a":[ ]}'
    const text = `{"type":"peer_message","to_peer_id":"b","request_id":"r-1","payload":${payload},"extra":1}`
    expect(await passed(a, b, text)).toBe(
      `{"type":"peer_message","from_peer_id":"a","to_peer_id":"b","payload":${payload}}`,
    )
    expect(await a.rest()).toEqual([])
  })

  test('to nobody, or a peer of another room, is PEER_NOT_IN_ROOM as with v2; from another SENDER_MISMATCH', async () => {
    const { a } = await pair()
    await server.join(await newRoom(), 'far away')
    const to = (to_peer_id: string, members = {}) => a.ask({ type: 'peer_message', to_peer_id, payload: 1, ...members })
    expect(await to('nobody')).toMatchObject({ code: 'PEER_NOT_IN_ROOM', target: 'nobody' })
    expect(await to('far away')).toMatchObject({ code: 'PEER_NOT_IN_ROOM', target: 'far away' })
    expect(await to('b', { from_peer_id: 'b' })).toMatchObject({ code: 'SENDER_MISMATCH' })
    expect(await to('b', { payload: undefined })).toMatchObject({ code: 'INVALID_MESSAGE' })
  })

  test('needs a payload that says something, as with v2; 0 and false do', async () => {
    const { a, b } = await pair()
    for (const payload of [{}, [], '', null]) {
      const message = { type: 'peer_message', to_peer_id: 'b', payload }
      expect(await a.ask(message)).toMatchObject({
        code: 'INVALID_MESSAGE',
        message: 'payload must not be null or empty.',
      })
    }
    for (const payload of [0, false, [null], { a: null }]) {
      a.send({ type: 'peer_message', to_peer_id: 'b', payload })
      expect(await b.next()).toMatchObject({ payload })
    }
  })
})

describe('mesh messages', () => {
  test.each([
    ['mesh_connect', 'mesh_offer', 'offer'],
    ['mesh_answer', 'mesh_answer', 'answer'],
    ['ice_candidate', 'ice_candidate', 'candidate'],
  ])('%s reaches its target as %s', async (sent, received, member) => {
    const { a, b } = await pair()
    const text = `{"type":"${sent}","from_peer_id":"a","target_peer_id":"b","${member}":{"sdp":"v=0", "n":1.0}}`
    expect(await passed(a, b, text)).toBe(
      `{"type":"${received}","from_peer_id":"a","${member}":{"sdp":"v=0", "n":1.0}}`,
    )
    const lost = { type: sent, from_peer_id: 'a', target_peer_id: 'nobody', [member]: {} }
    expect(await a.ask(lost)).toEqual({
      type: 'error',
      code: 'PEER_NOT_FOUND',
      reason: 'peer_not_found',
      message: 'There is no such peer in the room.',
      retryable: false,
      target: 'nobody',
      target_peer_id: 'nobody',
    })
    expect(await a.ask({ ...lost, from_peer_id: 'b' })).toMatchObject({ code: 'SENDER_MISMATCH' })
    expect(await b.rest()).toEqual([])
  })
})

describe('the admin of a room', () => {
  const admin = { is_admin: true }

  test('is the first that wants to be; others are told who it is, and are in the room all the same', async () => {
    const room = await newRoom()
    using first = await server.join(room, 'first', admin)
    using second = await server.connect()
    const id_token = await server.signIn()
    const conflict = await second.ask({ type: 'register', peer_id: 'second', ...room, id_token, ...admin })
    expect(conflict).toEqual({ type: 'admin_conflict', room_id: room.room_id, current_admin: 'first' })
    expect(await second.next()).toMatchObject({ type: 'registered_auth', admin_peer_id: 'first' })
    expect(await first.rest()).toEqual([])
  })

  test('is another one only when it has left, and when somebody asks anew', async () => {
    const room = await newRoom()
    const id_token = await server.signIn()
    using second = await server.connect()
    const first = await server.join(room, 'first', admin)
    const enter = { type: 'register', peer_id: 'second', ...room, id_token }
    expect(await second.ask({ ...enter, ...admin })).toMatchObject({ type: 'admin_conflict' })
    await second.next()
    first.socket.close()
    await first.closed
    expect(await second.ask(enter)).toMatchObject({ admin_peer_id: null })
    expect(await second.ask({ ...enter, ...admin })).toMatchObject({ admin_peer_id: 'second' })
    expect(await second.ask({ ...enter, ...admin })).toMatchObject({ admin_peer_id: 'second' })
    expect(await second.ask(enter)).toMatchObject({ admin_peer_id: 'second' })
  })
})
