import { expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '..')

/** What a reader has: a room to enter, and a page. */
const readers = `
declare const roomId: string, token: string
declare function report(peerId: string, error: unknown): void
declare function videoOf(peerId: string): HTMLVideoElement
declare function showMuted(peerId: string, isMuted: boolean): void
declare function connected(): Iterable<Connection>
declare function list(devices: MediaDeviceInfo[]): void
declare function say(sentence: string): void
declare function askForClick(act: () => void): void
export { follow, leave, limit, mute, share, watch }
`

test('what docs/media.md shows is one program in pieces, which TypeScript takes', async () => {
  const guide = await Bun.file(join(import.meta.dir, 'media.md')).text()
  const blocks = [...guide.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code = '']) => code)
  expect(blocks.length).toBeGreaterThan(10)
  const folder = await mkdtemp(join(tmpdir(), 'parley-media-guide-'))
  try {
    await Bun.write(join(folder, 'guide.ts'), blocks.join('\n') + readers)
    const compilerOptions = { paths: { '@parley/*': [join(root, '*/src/index.ts')] } }
    const project = { extends: join(root, 'client/tsconfig.json'), compilerOptions, include: ['guide.ts'] }
    await Bun.write(join(folder, 'tsconfig.json'), JSON.stringify(project))
    const compiler = Bun.spawn([join(root, 'node_modules/.bin/tsc'), '-p', folder], { stdout: 'pipe' })
    expect(await new Response(compiler.stdout).text()).toBe('')
    expect(await compiler.exited).toBe(0)
  } finally {
    await rm(folder, { recursive: true })
  }
})
