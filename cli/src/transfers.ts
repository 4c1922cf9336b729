import { basename } from 'node:path'
import type { FileProgress, FileReceipt } from '@parley/client/files'
import { explain, told } from './failure.ts'
import type { PartOfFile } from './files/disk-sink.ts'
import type { Output } from './output.ts'
import { printBytes, progressLine, Rate } from './progress.ts'
import { printable } from './terminal.ts'

export interface TransferStart {
  readonly direction: 'sending' | 'receiving'
  readonly peer: string
  readonly name: string
  readonly size: number
}

/** One file on its way, as it is shown. */
export interface ShownTransfer {
  onProgress(progress: FileProgress): void
  /** @param path where it is, if that is here */
  kept(receipt: FileReceipt, path?: string): void
  /** @param left what stays of it here for another time */
  failed(error: unknown, left?: PartOfFile): void
}

/** Milliseconds between two `progress` events. */
const progressEvery = 500

const arrow = { sending: '→', receiving: '←' } as const

/** Shows how files come and go: a line for each at the bottom of a terminal, events for scripts. */
export class Transfers {
  #last = 0

  constructor(
    private readonly out: Output,
    private readonly now: () => number = () => performance.now(),
  ) {}

  begin({ direction, peer, name, size }: TransferStart): ShownTransfer {
    const { out, now } = this
    const transfer = ++this.#last
    const members = { transfer, direction, peer, name, size }
    const label = `${arrow[direction]} ${printable(name)}`
    const rate = new Rate(now)
    const start = now()
    let saidAt = Number.NEGATIVE_INFINITY
    let saidStatus = ''
    let isWaiting = false
    const withPeer = `${direction === 'sending' ? 'to' : 'from'} ${printable(peer)}`
    out.news(
      { event: 'file_started', ...members },
      // In a terminal the line that follows says it.
      out.isLive ? undefined : `${direction} ${printable(name)} (${printBytes(size)}) ${withPeer}`,
    )
    return {
      onProgress({ status, bytes }) {
        rate.add(bytes)
        const { perSecond } = rate
        const goesOn = status === 'transferring' && isWaiting && bytes > 0 && bytes < size
        isWaiting = status !== 'transferring'
        if (goesOn) {
          out.news(
            { event: 'file_resumed', ...members, bytes },
            `${printable(name)} goes on at ${printBytes(bytes)} of ${printBytes(size)}`,
          )
        }
        const note = status === 'transferring' ? undefined : status
        out.live.set(String(transfer), columns =>
          progressLine({ label, bytes, size, rate: perSecond, ...(note && { note }) }, columns),
        )
        const at = now()
        if (!out.isJson || (at - saidAt < progressEvery && status === saidStatus)) return
        saidAt = at
        saidStatus = status
        const bytesPerSecond = perSecond === undefined ? null : Math.round(perSecond)
        out.news({ event: 'progress', ...members, status, bytes, bytes_per_second: bytesPerSecond }, undefined)
      },
      kept({ name: keptAs, sha256 }, path) {
        out.live.delete(String(transfer))
        const ms = Math.round(now() - start)
        const done = direction === 'sending' ? 'sent' : 'received'
        out.news({ event: `file_${done}`, ...members, kept_as: keptAs, ...(path && { path }), sha256, ms }, paint => {
          const speed = ms > 0 ? `, ${printBytes((size / ms) * 1000)}/s` : ''
          const other = keptAs === name ? '' : `, kept as “${printable(keptAs)}”`
          return `${paint.green('✓')} ${printable(name)} ${done} ${withPeer} (${printBytes(size)}${speed})${other}`
        })
      },
      failed(error, left) {
        out.live.delete(String(transfer))
        const explanation = explain(error)
        const { code, sentence } = explanation
        const goesOn =
          left &&
          `${printBytes(left.bytes)} of it stay in ${basename(left.path)}: it goes on from there when it is sent again.`
        out.news(
          {
            event: 'file_failed',
            ...members,
            ...{ code, message: sentence },
            ...(left && { part: left.path, bytes: left.bytes }),
          },
          ({ red }) => {
            const text = told({ ...explanation, advice: goesOn ?? explanation.advice })
            return `${red('✗')} ${printable(name)}: ${printable(text)}`
          },
        )
      },
    }
  }
}
