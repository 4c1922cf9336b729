import { expect } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { python, startAiortcFilePeer } from './aiortc-process.ts'
import { newFolder, startCli } from './cli-process.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { parleyAt } from './sdk-peer.ts'

const declare = needs({
  'node-datachannel': await hasDataChannel(),
  [`${python} with aiortc and websockets`]: runs(python, '-c', 'import aiortc, websockets'),
})

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const loopback = ['--json', '--anonymous', '--bind-address', '127.0.0.1']

async function newFile(name: string, bytes: number) {
  const content = randomBytes(bytes)
  const path = join(await newFolder(), name)
  await writeFile(path, content)
  return { path, content }
}

declare('parley connect --legacy and an aiortc worker exchange files in both directions', async () => {
  const urls = await startParley()
  const { roomId, token } = await (await parleyAt(urls)).createRoom()
  const [theirs, ours] = [await newFile('model.bin', 300_000), await newFile('odd: name.mp4', 500_001)]
  const worker = startAiortcFilePeer('worker', urls.httpUrl, urls.wsUrl, roomId, token, theirs.path)
  await worker.expect('registered')

  const inbox = await newFolder()
  const session = `${urls.httpUrl}#${roomId}/${token}/aiortc-worker/${encodeURIComponent(urls.wsUrl)}`
  const options = { runtime: 'bun', home: await newFolder() } as const
  const client = startCli(options, 'connect', session, '--legacy', '--send', ours.path, '--folder', inbox, ...loopback)
  await worker.expect('open')
  const file = { event: 'file', name: 'odd_ name.mp4', size: 500_001, sha256: sha256(ours.content) }
  expect(await worker.expect('file')).toEqual(file)
  const { path, sha256: kept } = await client.event('file_received')
  expect(kept).toBe(sha256(theirs.content))
  expect(await readFile(String(path))).toEqual(theirs.content)
  const { code, stderr } = await client.ended
  expect([code, stderr]).toEqual([0, ''])
  // aiortc complains there if it is just sending something when the other side closes.
  expect((await worker.ended).code).toBe(0)
})

declare('parley worker takes the file of an aiortc client, and serves whoever comes then', async () => {
  const urls = await startParley()
  const inbox = await newFolder()
  const address = ['--server', urls.httpUrl, '--ws', urls.wsUrl]
  const options = { runtime: 'bun', home: await newFolder() } as const
  const worker = startCli(options, 'worker', ...address, '--peer-id', 'w', '--folder', inbox, ...loopback)
  const [, roomId = '', token = ''] = /#(.*?)\/(.*?)\//.exec(String((await worker.event('ready')).session)) ?? []
  for (const bytes of [0, 700_000]) {
    const { path, content } = await newFile('frames.bin', bytes)
    const client = startAiortcFilePeer('client', urls.httpUrl, urls.wsUrl, roomId, token, path, 'w')
    const received = await worker.event('file_received')
    expect([received.name, received.size, received.sha256]).toEqual(['frames.bin', bytes, sha256(content)])
    expect(await readFile(String(received.path))).toEqual(content)
    client.tell('goodbye')
    expect(await client.ended).toEqual({ code: 0, stderr: '' })
  }
})
