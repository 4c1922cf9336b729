import { afterAll, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { createRoom, post, signIn } from './api.ts'
import { startInstanceMetadata } from './aws/instance-metadata.ts'
import { type Aws, startAws } from './aws/set-up.ts'
import { endDataChannels } from './datachannel-peer.ts'
import { hasDataChannel, needs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { aiortcClient, aiortcWorker, dataChannel, quickReference, webrtcNeeds } from './scenarios.ts'

let aws: Aws
beforeAll(async () => {
  aws = await startAws()
})
afterAll(async () => {
  await aws.stop()
  if (await hasDataChannel()) await endDataChannels()
})

/** A server with what the original's container was given. */
const startOnAws = (settings: Record<string, string> = {}): Promise<ParleyProcess> =>
  startParley({ settings: { ...aws.settings, ...settings } })

test('the quick reference works on Cognito and DynamoDB, to the letter, and leaves nothing behind', async () => {
  const before = await aws.emulator.usernames(aws.pool.userPoolId)
  const parley = await startOnAws({ PARLEY_LOG_LEVEL: 'trace' })
  const secrets = await quickReference(parley)
  // Two had registered; they are signed out with their room.
  expect(await aws.emulator.usernames(aws.pool.userPoolId)).toEqual(before)

  await parley.stop()
  const log = parley.stderr.join('\n')
  expect(log).toContain('peer registered')
  for (const secret of secrets) expect(log).not.toContain(secret)
})

needs({ 'node-datachannel': await hasDataChannel() })('two peers open a data channel', async () =>
  dataChannel(await startOnAws()),
)
needs(webrtcNeeds)('an aiortc worker answers a client', async () => aiortcWorker(await startOnAws()))
needs(webrtcNeeds)('an aiortc client goes its whole way', async () => aiortcClient(await startOnAws()))

test('an ID token and its user are as the original made them', async () => {
  const { httpUrl } = await startOnAws()
  const { body } = await post(`${httpUrl}/anonymous-signin`)
  expect(await aws.emulator.usernames(aws.pool.userPoolId)).toContain(String(body.username))
  const claims = JSON.parse(Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString())
  expect(claims).toMatchObject({
    iss: `https://cognito-idp.us-east-1.amazonaws.com/${aws.pool.userPoolId}`,
    aud: aws.pool.clientId,
    token_use: 'id',
    'cognito:username': body.username,
    exp: body.expires_at,
  })
})

test('a room is an item as the original wrote it, with more beside that', async () => {
  const { httpUrl } = await startOnAws()
  const idToken = await signIn(httpUrl)
  const claims = JSON.parse(Buffer.from(idToken.split('.')[1] ?? '', 'base64url').toString())
  const { body: room } = await post(`${httpUrl}/create-room`, { name: 'lab' }, { Authorization: `Bearer ${idToken}` })
  const item = (await aws.items()).find(({ room_id }) => room_id?.S === room.room_id)
  expect(item).toMatchObject({
    room_id: { S: room.room_id },
    token: { S: room.token },
    created_by: { S: claims.sub },
    expires_at: { N: String(room.expires_at) },
    name: { S: 'lab' },
  })
})

test('an item that the original wrote is a room', async () => {
  const { httpUrl, wsUrl } = await startOnAws()
  const end = Math.floor(Date.now() / 1000) + 7200
  const written = { room_id: crypto.randomUUID().slice(0, 8), token: 'xyz789', created_by: 'cognito-user-id' }
  const { room_id, token } = written
  await aws.put({ ...written, expires_at: end })
  const peer = await PlainPeer.register({ wsUrl, peerId: 'Worker-1', idToken: await signIn(httpUrl), room: written })
  expect(peer.registration).toMatchObject({ room_id, token, expires_at: end })
  expect(await post(`${httpUrl}/delete-peers-and-room`, { room_id, token })).toEqual({
    status: 200,
    body: { status: 'peer deleted successfully' },
  })
  expect((await aws.items()).map(item => item.room_id?.S)).not.toContain(room_id)
})

test('an item without an end, as newer versions of the original write it, is a room that does not end', async () => {
  const { httpUrl, wsUrl } = await startOnAws()
  const written = { room_id: crypto.randomUUID().slice(0, 8), token: 'xyz789', created_by: 'cognito-user-id' }
  await aws.put(written)
  const peer = await PlainPeer.register({ wsUrl, peerId: 'Worker-1', idToken: await signIn(httpUrl), room: written })
  expect(peer.registration).toMatchObject({ room_id: written.room_id, expires_at: null })
})

test('an item whose time is over is no room, however long DynamoDB keeps it', async () => {
  const { httpUrl, wsUrl } = await startOnAws()
  const written = { room_id: crypto.randomUUID().slice(0, 8), token: 'xyz789', created_by: 'cognito-user-id' }
  await aws.put({ ...written, expires_at: Math.floor(Date.now() / 1000) - 1 })
  const late = await PlainPeer.connect(wsUrl, 'Worker-1')
  late.send({ type: 'register', peer_id: 'Worker-1', ...written, id_token: await signIn(httpUrl) })
  expect(await late.messages.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED', reason: 'Room expired' })
})

test('rooms and identities outlive the server, its data folder and all', async () => {
  const before = await startOnAws()
  const idToken = await signIn(before.httpUrl)
  const room = await createRoom(before.httpUrl, idToken)
  expect((await before.stop()).code).toBe(0)

  const { wsUrl } = await startOnAws()
  const peer = await PlainPeer.register({ wsUrl, peerId: 'me', idToken, room })
  expect(peer.id).toBe('me')
})

test('an owner lists, changes, locks and deletes a room, and invites into it, across restarts', async () => {
  const first = await startOnAws()
  const idToken = await signIn(first.httpUrl)
  const headers = { Authorization: `Bearer ${idToken}` }
  const room = await createRoom(first.httpUrl, idToken)
  const { body: invite } = await post(`${first.httpUrl}/rooms/${room.room_id}/invites`, { role: 'worker' }, headers)
  await first.stop()

  const { httpUrl, wsUrl } = await startOnAws()
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(httpUrl + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    return response.status === 204 ? undefined : response.json()
  }
  const guest = { room_id: room.room_id, token: String(invite.token) }
  await PlainPeer.register({ wsUrl, peerId: 'guest', idToken: await signIn(httpUrl), room: guest })
  expect(await ask('PATCH', `/rooms/${room.room_id}`, { name: 'lab', locked: true })).toMatchObject({
    name: 'lab',
    locked: true,
    peers: [{ peer_id: 'guest', role: 'worker' }],
    invites: [{ invite_id: invite.invite_id, used_by: 'guest' }],
  })
  expect(await ask('GET', '/rooms')).toMatchObject({ rooms: [{ ...room, name: 'lab', locked: true }] })
  const stranger = await PlainPeer.connect(wsUrl, 'stranger')
  stranger.send({ type: 'register', peer_id: 'stranger', ...room, id_token: await signIn(httpUrl) })
  expect(await stranger.messages.next()).toMatchObject({ type: 'error', code: 'ROOM_LOCKED' })
  await ask('DELETE', `/rooms/${room.room_id}`)
  expect(await ask('GET', '/rooms')).toEqual({ rooms: [] })
})

test("on an instance, the credentials are those of the instance's role", async () => {
  const metadata = await startInstanceMetadata()
  onTestFinished(() => metadata.stop())
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...settings } = aws.settings
  // No file of whoever runs the tests is asked.
  const noFiles = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' }
  const onInstance = { ...settings, ...noFiles, AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url }
  await quickReference(await startParley({ settings: onInstance }))
  // One for each client, and no more while they last.
  expect(metadata.given()).toBeWithin(1, 3)
})

test('without credentials, who asks is told in time, and the log says what is missing', async () => {
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...settings } = aws.settings
  const none = {
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const parley = await startParley({ settings: { ...settings, ...none } })
  const before = await aws.emulator.usernames(aws.pool.userPoolId)
  const { status, body } = await post(`${parley.httpUrl}/anonymous-signin`)
  expect({ status, code: body.code }).toEqual({ status: 503, code: 'UNAVAILABLE' })
  await parley.stop()
  const log = parley.stderr.join('\n')
  expect(log).toContain('No AWS credentials for AdminConfirmSignUp')
  expect(log).toContain('The DynamoDB table rooms in us-east-1 cannot be used (CredentialsProviderError)')
  // Nobody was signed up who could not be confirmed.
  expect(await aws.emulator.usernames(aws.pool.userPoolId)).toEqual(before)
})
