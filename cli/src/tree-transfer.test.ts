import { expect, test } from 'bun:test'
import type { Tree, TreeEntry } from './files/tree.ts'
import { output } from './output.ts'
import { Transfers } from './transfers.ts'
import { shownTree } from './tree-transfer.ts'

test('a folder is told to scripts as a whole, twice a second', () => {
  const lines: string[] = []
  const screen = { write: (text: string) => lines.push(text) }
  const time = { now: 0 }
  const transfers = new Transfers(output({ isJson: true, stdout: screen, stderr: screen, env: {} }), () => time.now)
  const entry = (name: string): TreeEntry => ({ path: '', folder: 'photos', name, isFolder: false, size: 100 })
  const [a, b, c] = [entry('a'), entry('b'), entry('c')]
  const skipped = [{ name: 'photos/link', why: 'is a link' }]
  const tree: Tree = { name: 'photos', entries: [a, b, c], bytes: 300, skipped, failed: [] }
  const shown = shownTree(tree, 'ada', transfers)
  const progress = (bytes: number) => ({ status: 'transferring', bytes, size: 100 }) as const
  shown.onProgress(a, progress(50))
  time.now = 500
  shown.onProgress(b, progress(30))
  shown.sent(a)
  time.now = 1_000
  shown.sent(b)
  shown.failed(c)
  expect(shown.end()).toBe(false)
  const members = { folder: 'photos', peer: 'ada', files: 3, bytes: 300 }
  expect(lines.map(line => JSON.parse(line))).toEqual([
    { event: 'folder_started', ...members },
    {
      ...{ event: 'file_skipped', direction: 'sending', peer: 'ada', name: 'photos/link', code: 'SKIPPED' },
      message: 'photos/link is a link.',
    },
    { event: 'folder_progress', ...members, sent: 0, failed: 0, sent_bytes: 80 },
    { event: 'folder_progress', ...members, sent: 2, failed: 0, sent_bytes: 200 },
    { event: 'folder_sent', ...members, sent: 2, failed: 1, skipped: 1, sent_bytes: 200, ms: 1_000 },
  ])
})
