import { expect, onTestFinished, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRoom, post, signIn } from './api.ts'
import { needs, runs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

/** A file system of two mebibytes, which ends with the test. */
function smallDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-e2e-disk-'))
  if (!runs('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder)) throw new Error('no tmpfs')
  onTestFinished(() => {
    runs('umount', '--lazy', folder)
    rmSync(folder, { recursive: true })
  })
  return folder
}

const canMount = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-e2e-probe-'))
  const mounted = runs('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder)
  if (mounted) runs('umount', folder)
  rmSync(folder, { recursive: true })
  return mounted
})()

/** Takes all space that is left. @returns what gives it back */
function fillUp(folder: string): () => void {
  const file = join(folder, 'ballast')
  const descriptor = openSync(file, 'w')
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4096, 'x'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(descriptor)
  }
  return () => rmSync(file)
}

/** What `/readyz` says once its status is this one. It looks every two seconds at most. */
async function readiness(httpUrl: string, status: number): Promise<string> {
  for (;;) {
    const response = await fetch(`${httpUrl}/readyz`)
    const text = await response.text()
    if (response.status === status) return text
  }
}

/** Resolves with the first line of the log that has all of `parts`. */
async function logged(lines: readonly string[], ...parts: string[]): Promise<string> {
  for (;;) {
    const line = lines.find(line => parts.every(part => line.includes(part)))
    if (line) return line
    await new Promise(setImmediate)
  }
}

needs({ 'the right to mount a tmpfs': canMount })(
  'a full data folder is not ready, tells the operator why, and costs nobody what is established; with space all is well',
  async () => {
    const dataDir = smallDisk()
    const { httpUrl, wsUrl, stderr } = await startParley({ dataDir })
    await readiness(httpUrl, 200)
    const idToken = await signIn(httpUrl)
    const room = await createRoom(httpUrl, idToken)
    const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
    const giveBack = fillUp(dataDir)

    expect(await readiness(httpUrl, 503)).not.toContain(dataDir)
    await logged(stderr, '"level":40', `data folder ${dataDir}`, 'ENOSPC')

    // What SQLite has of space in its own files may serve for some more.
    const headers = { Authorization: `Bearer ${idToken}` }
    const body = { metadata: { text: 'x'.repeat(16_000) } }
    let answer = await post(`${httpUrl}/create-room`, body, headers)
    for (let i = 0; i < 90 && answer.status === 200; i++) answer = await post(`${httpUrl}/create-room`, body, headers)
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    expect(JSON.stringify(answer.body)).not.toContain(dataDir)
    await logged(stderr, '"level":40', join(dataDir, 'rooms.sqlite'), 'SQLITE_FULL')

    // Reading goes on, and so does everything that needs no store.
    const bob = await PlainPeer.register({ wsUrl, peerId: 'bob', idToken, room })
    ada.send({ type: 'offer', sender: 'ada', target: 'bob', sdp: 'still here' })
    expect(await bob.messages.next()).toMatchObject({ sdp: 'still here' })
    expect((await fetch(`${httpUrl}/livez`)).status).toBe(200)

    giveBack()
    await readiness(httpUrl, 200)
    const freshToken = await signIn(httpUrl)
    await PlainPeer.register({ wsUrl, peerId: 'eve', idToken: freshToken, room: await createRoom(httpUrl, freshToken) })
  },
)

test('a data folder that was removed, and one that was put in its place, are not ready', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  onTestFinished(() => rm(parent, { recursive: true, force: true }))
  const dataDir = join(parent, 'data')
  const { httpUrl, stderr } = await startParley({ dataDir })
  await readiness(httpUrl, 200)
  await rm(dataDir, { recursive: true })
  await readiness(httpUrl, 503)
  await logged(stderr, '"level":40', `${join(dataDir, 'rooms.sqlite')} was removed or replaced`)
  // A second server makes both new; the first one writes where nobody will read it.
  const second = await startParley({ dataDir })
  await readiness(second.httpUrl, 200)
  expect((await fetch(`${httpUrl}/readyz`)).status).toBe(503)
})
