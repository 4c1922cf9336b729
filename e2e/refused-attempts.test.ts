import { beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRoom, post, signIn } from './api.ts'
import { type ParleyProcess, root, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

/** The sample filter of docs/security.md, as JavaScript has it: `<ADDR>` is fail2ban's word for an IP address. */
let filter: RegExp
beforeAll(() => {
  const page = readFileSync(join(root, 'docs/security.md'), 'utf8')
  const [, failregex = ''] = /^failregex = (.+)$/m.exec(page) ?? []
  filter = new RegExp(failregex.replace('<ADDR>', '(?<address>[\\d.]+|[\\da-fA-F:.]+)'))
})

test('refused attempts stand in the log at info, in the form that the sample filter finds, and without secrets', async () => {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const stranger = await signIn(httpUrl)
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

  const forged = `${idToken.slice(0, -8)}AAAAAAAA`
  expect((await post(`${httpUrl}/create-room`, {}, bearer(forged))).status).toBe(401)
  expect((await post(`${httpUrl}/create-room`, {})).status).toBe(401)
  const deletion = { room_id: room.room_id, token: 'guessed-secret' }
  expect((await post(`${httpUrl}/delete-peers-and-room`, deletion)).status).toBe(403)
  const own = await fetch(`${httpUrl}/rooms/${room.room_id}`, { headers: bearer(stranger) })
  expect(own.status).toBe(403)

  const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
  const guesser = await PlainPeer.connect(wsUrl, 'guesser')
  for (const [members, code] of [
    [{ ...room, id_token: forged }, 'INVALID_TOKEN'],
    [{ ...room, token: 'guessed-secret', id_token: stranger }, 'INVALID_ROOM_TOKEN'],
    [{ ...room, room_id: 'x","client":"192.0.2.66', id_token: stranger }, 'ROOM_NOT_FOUND'],
    [{ ...room, peer_id: 'ada', id_token: stranger }, 'PEER_ID_TAKEN'],
  ] as const) {
    guesser.send({ type: 'register', peer_id: 'guesser', ...members })
    expect(await guesser.messages.next()).toMatchObject({ code })
  }
  ada.send({ type: 'offer', sender: 'somebody', target: 'ada', sdp: 'v=0' })
  ada.close()
  await ada.closed
  expect((await parley.stop()).code).toBe(0)

  const lines = parley.stderr.filter(line => line.includes('"attempt refused"'))
  const entries = lines.map(line => JSON.parse(line))
  expect(entries.map(({ level, client, code, over }) => [level, client, code, over])).toEqual([
    [30, '127.0.0.1', 'INVALID_TOKEN', 'http'],
    [30, '127.0.0.1', 'INVALID_TOKEN', 'http'],
    [30, '127.0.0.1', 'FORBIDDEN', 'http'],
    [30, '127.0.0.1', 'FORBIDDEN', 'http'],
    [30, '127.0.0.1', 'INVALID_TOKEN', 'websocket'],
    [30, '127.0.0.1', 'INVALID_ROOM_TOKEN', 'websocket'],
    [30, '127.0.0.1', 'ROOM_NOT_FOUND', 'websocket'],
    [30, '127.0.0.1', 'PEER_ID_TAKEN', 'websocket'],
    [30, '127.0.0.1', 'SENDER_MISMATCH', 'websocket'],
  ])
  const found = (text: readonly string[]) => text.flatMap(line => filter.exec(line)?.groups?.address ?? [])
  expect(found(parley.stderr)).toEqual(Array(6).fill('127.0.0.1'))
  // fail2ban cuts the time out of a line before it looks at the rest; the journal puts a name in front.
  expect(found(parley.stderr.map(line => line.replace(/"time":"[^"]*Z/, '')))).toHaveLength(6)
  expect(found(parley.stderr.map(line => `host parley[42]: ${line}`))).toHaveLength(6)
  const elsewhere = (address: string) => parley.stderr.map(line => line.replaceAll('127.0.0.1', address))
  expect(found(elsewhere('2001:db8::7'))).toEqual(Array(6).fill('2001:db8::7'))
  // Where the address is not known, nobody can be locked out for it.
  expect(found(elsewhere('unknown'))).toEqual([])
  for (const secret of ['guessed-secret', room.token, idToken, stranger, forged]) {
    expect(parley.stderr.join('\n')).not.toContain(secret)
  }
})

test('what an attacker writes into a line does not have the sample filter find another address', async () => {
  const parley: ParleyProcess = await startParley({ settings: { PARLEY_LOG_LEVEL: 'debug' } })
  const line =
    '{"level":30,"time":"2026-01-01T00:00:00.000Z","client":"192.0.2.66","code":"FORBIDDEN","over":"http","msg":"attempt refused"}'
  expect(filter.exec(line)?.groups?.address).toBe('192.0.2.66')
  const idToken = await signIn(parley.httpUrl)
  const room = await createRoom(parley.httpUrl, idToken)
  const peer = await PlainPeer.connect(parley.wsUrl, 'peer')
  for (const members of [{ role: line }, { peer_id: line }, { room_id: `\n${line}` }, { token: line }]) {
    peer.send({ type: 'register', peer_id: 'x', ...room, id_token: idToken, ...members })
    await peer.messages.next()
  }
  for (const path of [`/rooms/${encodeURIComponent(`\n${line}`)}`, `/rooms/${encodeURIComponent(line)}`]) {
    await fetch(parley.httpUrl + path, { headers: { Origin: `https://${line}`, 'User-Agent': line } })
  }
  peer.close()
  expect((await parley.stop()).code).toBe(0)
  const found = parley.stderr.map(said => filter.exec(said)?.groups?.address)
  expect(found).not.toContain('192.0.2.66')
  expect(found).toContain('127.0.0.1')
})
