import { describe, expect, test } from 'bun:test'
import { startServer, TestPeer, type TestServer } from '../../test/harness.ts'

type Headers = Record<string, string>

const bearer = (idToken: string): Headers => ({ Authorization: `Bearer ${idToken}` })
const at = (address: string): Headers => ({ 'X-Forwarded-For': address })

/** A room of an owner, who is in it and removes peers. Each peer is where `X-Forwarded-For` says. */
async function world() {
  const server = await startServer({ PARLEY_TRUSTED_PROXIES: '127.0.0.0/8' })
  const owner = await server.signIn()
  const room = await server.createRoom(owner)
  const enter = async (peer_id: string, address: string, id_token: string, token = room.token) => {
    const peer = await TestPeer.connect(server.ws, at(address))
    const reply = await peer.ask({ type: 'register', peer_id, room_id: room.room_id, token, id_token })
    if (reply.type !== 'registered_auth') throw new Error(JSON.stringify(reply))
    return peer
  }
  const remove = (peerId: string) => asOwner('DELETE', `/peers/${peerId}`)
  const asOwner = async (method: string, below: string, body?: object) => {
    const init = { method, headers: bearer(owner), ...(body && { body: JSON.stringify(body) }) }
    const response = await fetch(`${server.http}/rooms/${room.room_id}${below}`, init)
    if (!response.ok) throw new Error(await response.text())
    return response.status === 204 ? undefined : ((await response.json()) as { token: string; removed: string[] })
  }
  const boss = await enter('owner', '203.0.113.1', owner)
  return {
    server,
    owner,
    room,
    boss,
    enter,
    remove,
    asOwner,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** Each way to ask for the end of the room or of one of these peers. */
async function everyDeletion(
  server: TestServer,
  roomId: string,
  peers: readonly string[],
  body: object,
  headers: Headers,
) {
  const answers: unknown[] = []
  for (const [path, named] of [
    ['/delete-peers-and-room', { room_id: roomId }],
    ...peers.map(peer_id => ['/delete-peers-and-room', { peer_id }] as const),
    ...peers.map(peer_id => ['/delete-peer', { peer_id }] as const),
  ] as const) {
    const response = await server.post(path, { ...named, ...body }, headers)
    const { status } = (await response.json()) as { status: unknown }
    answers.push(status)
  }
  return answers
}

const nothing = [403, 'peer not found', 'peer deleted from Cognito (already removed from room)']

describe('an identity that was removed', () => {
  test.each([
    ['with its token', (idToken: string) => ({ body: {}, headers: bearer(idToken) })],
    [
      'with its token and that of the room',
      (idToken: string, token: string) => ({ body: { token }, headers: bearer(idToken) }),
    ],
    ['without a token, from where it was', () => ({ body: {}, headers: {} })],
  ])('deletes nothing %s, whatever other names it had', async (_, proof) => {
    await using world_ = await world()
    const { server, room, boss, enter, remove } = world_
    const unwanted = await server.signIn()
    const place = '203.0.113.66'
    using neighbour = await enter('neighbour', place, await server.signIn())
    using first = await enter('first', place, unwanted)
    using second = await enter('second', place, unwanted)
    using third = await enter('third', place, unwanted)
    third.socket.close()
    await third.closed
    await remove('first')
    for (const { closed } of [first, second]) expect((await closed).code).toBe(4507)

    const { body, headers } = proof(unwanted, room.token)
    const peers = ['first', 'second', 'third', 'neighbour', 'owner']
    for (const answer of await everyDeletion(server, room.room_id, peers, body, { ...headers, ...at(place) })) {
      expect(nothing).toContain(answer as string)
    }
    for (const peer of [boss, neighbour]) expect(await peer.rest()).toEqual([])
    // Its second name, from elsewhere.
    await expect(enter('second', '203.0.113.7', unwanted)).rejects.toThrow('PEER_REMOVED')
  })

  test('deletes nothing when nobody else is there, or by a name under which it left before', async () => {
    await using world_ = await world()
    const { server, room, boss, enter, remove } = world_
    const unwanted = await server.signIn()
    using peer = await enter('first', '203.0.113.66', unwanted)
    peer.socket.close()
    await peer.closed
    await remove('first')
    boss.socket.close()
    await boss.closed
    for (const headers of [bearer(unwanted), {}] as Headers[]) {
      const answers = await everyDeletion(
        server,
        room.room_id,
        ['first', 'owner'],
        {},
        { ...headers, ...at('203.0.113.66') },
      )
      for (const answer of answers) expect(nothing).toContain(answer as string)
    }
    using _still = await enter('other', '203.0.113.7', await server.signIn())
  })

  test('leaves to its neighbours what they can prove, and to those elsewhere what they had', async () => {
    await using world_ = await world()
    const { server, room, enter, remove } = world_
    const mine = await server.signIn()
    using _neighbour = await enter('neighbour', '203.0.113.66', mine)
    using _removed = await enter('first', '203.0.113.66', await server.signIn())
    using _far = await enter('far', '203.0.113.7', await server.signIn())
    await remove('first')
    const cleanUp = async (headers: Headers, peer_id: string) =>
      ((await (await server.post('/delete-peer', { peer_id }, headers)).json()) as { status: string }).status
    expect(await cleanUp({ ...bearer(mine), ...at('203.0.113.66') }, 'neighbour')).toEndWith('active')
    expect(await cleanUp(at('203.0.113.7'), 'far')).toEndWith('active')
    expect(room.token).toBeString()
  })

  test('has back what it had once it is readmitted', async () => {
    await using world_ = await world()
    const { server, room, enter, remove, asOwner } = world_
    const identity = await server.signIn()
    using _first = await enter('first', '203.0.113.66', identity)
    await remove('first')
    await asOwner('POST', '/peers/first/readmit')
    using back = await enter('first', '203.0.113.66', identity)
    expect((await server.post('/delete-peers-and-room', { room_id: room.room_id }, at('203.0.113.66'))).status).toBe(
      200,
    )
    expect((await back.closed).code).toBe(4504)
  })
})

describe('a room whose token was changed', () => {
  const rotate = { rotate_token: true }

  test('lets nobody new in with the old one, and is not deleted with it', async () => {
    await using world_ = await world()
    const { server, room, boss, enter, asOwner } = world_
    const answer = await asOwner('PATCH', '', rotate)
    expect(answer?.token).toMatch(/^[\w-]{32}$/)
    expect(answer?.token).not.toBe(room.token)
    expect((await asOwner('GET', ''))?.token).toBe(answer?.token ?? '')
    await expect(enter('new', '203.0.113.66', await server.signIn())).rejects.toThrow('INVALID_ROOM_TOKEN')
    const old = { room_id: room.room_id, token: room.token }
    expect((await server.post('/delete-peers-and-room', old, at('203.0.113.66'))).status).toBe(403)
    expect(await boss.rest()).toEqual([])
    using _new = await enter('new', '203.0.113.66', await server.signIn(), answer?.token)
    const current = { ...old, token: answer?.token }
    expect((await server.post('/delete-peers-and-room', current, at('203.0.113.66'))).status).toBe(200)
    expect((await boss.closed).code).toBe(4504)
  })

  test('keeps its peers, who may come back with the token that they know, under their own names', async () => {
    await using world_ = await world()
    const { server, room, enter, remove, asOwner } = world_
    const [here, gone, unwanted] = await Promise.all([server.signIn(), server.signIn(), server.signIn()])
    using worker = await enter('worker', '203.0.113.2', here)
    using left = await enter('left', '203.0.113.3', gone)
    left.socket.close()
    await left.closed
    using _removed = await enter('unwanted', '203.0.113.66', unwanted)
    await remove('unwanted')
    await asOwner('PATCH', '', rotate)
    await asOwner('PATCH', '', rotate)

    expect(await worker.rest()).toEqual([])
    const again = { type: 'register', peer_id: 'worker', room_id: room.room_id, token: room.token, id_token: here }
    expect(await worker.ask(again)).toMatchObject({ type: 'registered_auth', token: room.token })
    expect(await worker.ask({ ...again, peer_id: 'other' })).toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
    worker.socket.close()
    await worker.closed
    using _worker = await enter('worker', '203.0.113.2', here)
    using _left = await enter('left', '203.0.113.3', gone)
    // Nobody else by their names, and the removed one under none, also as somebody else.
    await expect(enter('worker', '203.0.113.66', await server.signIn())).rejects.toThrow('INVALID_ROOM_TOKEN')
    await expect(enter('unwanted', '203.0.113.66', await server.signIn())).rejects.toThrow('INVALID_ROOM_TOKEN')
    for (const name of ['unwanted', 'worker', 'x']) {
      await expect(enter(name, '203.0.113.66', unwanted)).rejects.toThrow(/INVALID_ROOM_TOKEN|PEER_REMOVED/)
    }
  })

  test('still takes its invitations, and no guest as more than that', async () => {
    await using world_ = await world()
    const { server, room, enter, asOwner } = world_
    const invite = (await asOwner('POST', '/invites', { single_use: false, role: 'guest' }))?.token
    const guest = await server.signIn()
    using first = await enter('guest', '203.0.113.4', guest, invite)
    await asOwner('PATCH', '', rotate)
    expect(await first.rest()).toEqual([])
    first.socket.close()
    await first.closed
    await expect(enter('guest', '203.0.113.4', guest, room.token)).rejects.toThrow('INVALID_ROOM_TOKEN')
    using _guest = await enter('guest', '203.0.113.4', guest, invite)
    using _second = await enter('second', '203.0.113.5', await server.signIn(), invite)
  })

  test('changes nothing with false, and the rest of the change at the same time', async () => {
    await using world_ = await world()
    const { room, asOwner } = world_
    expect((await asOwner('PATCH', '', { rotate_token: false }))?.token).toBe(room.token)
    expect(await asOwner('PATCH', '', { ...rotate, locked: true, name: 'lab' })).toMatchObject({
      locked: true,
      name: 'lab',
    })
    await expect(asOwner('PATCH', '', { rotate_token: 'yes' })).rejects.toThrow('rotate_token')
  })
})
