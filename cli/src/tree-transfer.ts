import type { FileProgress } from '@parley/client/files'
import type { Omission, Tree, TreeEntry } from './files/tree.ts'
import { printBytes, progressLine, Rate } from './progress.ts'
import { printable } from './terminal.ts'
import { progressEvery, type Transfers } from './transfers.ts'

/** A folder on its way, as it is shown. */
export interface ShownTree {
  onProgress(entry: TreeEntry, progress: FileProgress): void
  sent(entry: TreeEntry): void
  failed(entry: TreeEntry): void
  /** Tells what has come of it. Whether that is all. */
  end(): boolean
}

/** Shows how a folder goes: one line for all of it, and what is left out. */
export function shownTree(tree: Tree, peer: string, { out, now }: Transfers): ShownTree {
  const { entries, bytes: size } = tree
  const name = printable(tree.name)
  const to = printable(peer)
  const members = { folder: tree.name, peer, files: entries.length, bytes: size }
  const rate = new Rate(now)
  const start = now()
  const under = new Map<TreeEntry, number>()
  let done = 0
  let saidAt = start
  let sent = 0
  let failed = tree.failed.length

  out.news(
    { event: 'folder_started', ...members },
    out.isLive ? undefined : `sending ${name} (${counted(entries.length)}, ${printBytes(size)}) to ${to}`,
  )
  for (const omission of tree.skipped) omit(omission, 'file_skipped', '!')
  for (const omission of tree.failed) omit(omission, 'file_failed', '✗')

  function omit({ name, why }: Omission, event: string, sign: string): void {
    const message = `${name} ${why.replace(/\.$/, '')}`
    const code = event === 'file_failed' ? 'FILE_FAILED' : 'SKIPPED'
    out.news(
      { event, direction: 'sending', peer, name, code, message: `${message}.` },
      ({ yellow, red }) => `${(sign === '!' ? yellow : red)(sign)} ${printable(message)}: it is not sent.`,
    )
  }

  const draw = () => {
    const bytes = done + [...under.values()].reduce((sum, each) => sum + each, 0)
    rate.add(bytes)
    const label = `→ ${name} ${sent}/${entries.length}`
    if (out.isJson && now() - saidAt >= progressEvery) {
      saidAt = now()
      out.news({ event: 'folder_progress', ...members, sent, failed, sent_bytes: bytes }, undefined)
    }
    out.live.set(`tree ${tree.name}`, columns => progressLine({ label, bytes, size, rate: rate.perSecond }, columns))
  }

  return {
    onProgress(entry, { bytes }) {
      under.set(entry, bytes)
      draw()
    },
    sent(entry) {
      under.delete(entry)
      done += entry.size
      sent++
      draw()
    },
    failed(entry) {
      under.delete(entry)
      failed++
    },
    end() {
      out.live.delete(`tree ${tree.name}`)
      const ms = Math.round(now() - start)
      const isAll = failed === 0 && sent === entries.length
      const figures = { sent, failed, skipped: tree.skipped.length, sent_bytes: done, ms }
      out.news({ event: 'folder_sent', ...members, ...figures }, ({ green, red }) => {
        const speed = ms > 0 ? `, ${printBytes((done / ms) * 1000)}/s` : ''
        const what = isAll ? counted(sent) : `${sent} of ${counted(entries.length + tree.failed.length)}`
        return `${isAll ? green('✓') : red('✗')} ${name} sent to ${to}: ${what} (${printBytes(done)}${speed})`
      })
      return isAll
    },
  }
}

const counted = (files: number): string => `${files} ${files === 1 ? 'file' : 'files'}`
