import { basename } from 'node:path'
import type { FileProgress, FileReceipt } from '@parley/client/files'
import { explain, told } from './failure.ts'
import type { PartOfFile } from './files/disk-sink.ts'
import { shownName } from './files/tree.ts'
import type { Output } from './output.ts'
import { printBytes, progressLine, Rate } from './progress.ts'
import { printable } from './terminal.ts'

export interface TransferStart {
  readonly direction: 'sending' | 'receiving'
  readonly peer: string
  readonly name: string
  /** Where it is within a folder that is sent; '' for any other file. */
  readonly folder?: string
  readonly size: number
  /** It is told with others: people only hear of what is unusual. */
  readonly isOneOfMany?: boolean
}

/** One file on its way, as it is shown. */
export interface ShownTransfer {
  onProgress(progress: FileProgress): void
  /** @param path where it is, if that is here @param wasThere before, so that nothing has come */
  kept(receipt: FileReceipt, path?: string, wasThere?: boolean): void
  /** @param left what stays of it here for another time @param isTold whether people know it by something else */
  failed(error: unknown, left?: PartOfFile, isTold?: boolean): void
}

/** Milliseconds between two `progress` events. */
export const progressEvery = 500

const arrow = { sending: '→', receiving: '←' } as const

/** Shows how files come and go: a line for each at the bottom of a terminal, events for scripts. */
export class Transfers {
  #last = 0

  constructor(
    readonly out: Output,
    readonly now: () => number = () => performance.now(),
  ) {}

  begin({ direction, peer, name, folder = '', size, isOneOfMany }: TransferStart): ShownTransfer {
    const { out, now } = this
    const transfer = ++this.#last
    const members = { transfer, direction, peer, name, ...(folder && { folder }), size }
    const shown = shownName({ folder, name })
    const label = `${arrow[direction]} ${shown}`
    const rate = new Rate(now)
    const start = now()
    let saidAt = Number.NEGATIVE_INFINITY
    let saidStatus = ''
    let isWaiting = false
    /** Bytes that were there before. */
    let from: number | undefined
    const withPeer = `${direction === 'sending' ? 'to' : 'from'} ${printable(peer)}`
    out.news(
      { event: 'file_started', ...members },
      // In a terminal the line that follows says it.
      out.isLive || isOneOfMany ? undefined : `${direction} ${shown} (${printBytes(size)}) ${withPeer}`,
    )
    return {
      onProgress({ status, bytes }) {
        rate.add(bytes)
        const { perSecond } = rate
        const goesOn = status === 'transferring' && isWaiting && bytes > 0 && bytes < size
        if (status === 'transferring') from ??= isWaiting ? bytes : 0
        isWaiting = status !== 'transferring'
        if (goesOn) {
          out.news(
            { event: 'file_resumed', ...members, bytes },
            `${shown} goes on at ${printBytes(bytes)} of ${printBytes(size)}`,
          )
        }
        const note = status === 'transferring' ? undefined : status
        if (!isOneOfMany) {
          out.live.set(String(transfer), columns =>
            progressLine({ label, bytes, size, rate: perSecond, ...(note && { note }) }, columns),
          )
        }
        const at = now()
        if (!out.isJson || isOneOfMany || (at - saidAt < progressEvery && status === saidStatus)) return
        saidAt = at
        saidStatus = status
        const bytesPerSecond = perSecond === undefined ? null : Math.round(perSecond)
        out.news({ event: 'progress', ...members, status, bytes, bytes_per_second: bytesPerSecond }, undefined)
      },
      kept({ name: keptAs, sha256 }, path, wasThere) {
        out.live.delete(String(transfer))
        const ms = Math.round(now() - start)
        const done = direction === 'sending' ? 'sent' : 'received'
        const more = { kept_as: keptAs, ...(path && { path }), ...(wasThere && { was_there: true }) }
        const other = keptAs === name ? '' : `, kept as “${printable(keptAs)}”`
        out.news(
          { event: `file_${done}`, ...members, ...more, sha256, ms },
          isOneOfMany && !other
            ? undefined
            : ({ green }) => {
                if (wasThere) return `${green('✓')} ${shown} was there already`
                const speed = ms > 0 ? `, ${printBytes(((size - (from ?? 0)) / ms) * 1000)}/s` : ''
                return `${green('✓')} ${shown} ${done} ${withPeer} (${printBytes(size)}${speed})${other}`
              },
        )
      },
      failed(error, left, isTold) {
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
          isTold
            ? undefined
            : ({ red }) => {
                const text = told({ ...explanation, advice: goesOn ?? explanation.advice })
                return `${red('✗')} ${shown}: ${printable(text)}`
              },
        )
      },
    }
  }
}
