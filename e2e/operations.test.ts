import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RedisClient } from 'bun'
import { hasRedis, startRedis } from '../server/test/redis-process.ts'
import { createRoom, signIn } from './api.ts'
import { freePorts } from './free-ports.ts'
import { needs } from './needs.ts'
import { root, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
/** Words of the line that makes the user. */
const [, ...rules] = /^user (parley on .*)$/m.exec(page)?.[1]?.split(' ') ?? []

needs({ 'redis-server': hasRedis })(
  'two nodes do all that they do in Redis as the user of docs/operations.md',
  async () => {
    const [port = 0] = await freePorts(1)
    const password = rules.find(rule => rule.startsWith('>'))?.slice(1)
    const admin = ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all']
    const { url } = await startRedis(
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      ...admin,
      '--user',
      'parley',
      ...rules,
    )
    const start = (name: string) =>
      startParley({
        settings: {
          PARLEY_REDIS_URL: `redis://parley:${password}@127.0.0.1:${port}`,
          PARLEY_NODE_NAME: name,
          PARLEY_NODE_HOST: '127.0.0.1',
          PARLEY_NODE_PORT: '0',
        },
      })
    const [one, two] = await Promise.all([start('one'), start('two')])
    const idToken = await signIn(one.httpUrl)
    const room = await createRoom(one.httpUrl, idToken)
    const worker = await PlainPeer.register({ wsUrl: one.wsUrl, peerId: 'worker', idToken, room })
    const client = await PlainPeer.register({
      wsUrl: two.wsUrl,
      peerId: 'client',
      idToken: await signIn(two.httpUrl),
      room,
    })
    client.send({ type: 'offer', sender: 'client', target: 'worker', sdp: 'v=0' })
    expect(await worker.messages.next()).toMatchObject({ type: 'offer', sender: 'client' })
    const Authorization = `Bearer ${idToken}`
    const listed = await fetch(`${two.httpUrl}/rooms`, { headers: { Authorization } })
    expect(await listed.json()).toMatchObject({ rooms: [{ room_id: room.room_id }] })
    const deleted = await fetch(`${one.httpUrl}/rooms/${room.room_id}`, {
      method: 'DELETE',
      headers: { Authorization },
    })
    expect(deleted.status).toBe(204)
    await Promise.all([one.stop(), two.stop()])
    const redis = new RedisClient(url)
    expect(await redis.send('ACL', ['LOG'])).toEqual([])
    redis.close()
  },
)
