import { explain, systemFailure, told } from './failure.ts'
import { type PartState, Parts, partsLast } from './files/parts.ts'
import type { Output } from './output.ts'
import { printBytes } from './progress.ts'
import { printable } from './terminal.ts'

const day = 24 * 3600

/** Looks for incomplete files in the folder that no program receives any more, and tells what there is. */
export async function findParts(folder: string, out: Output): Promise<Parts> {
  const parts = new Parts(folder)
  try {
    const found = await parts.find()
    const removed = await parts.removeOld(found)
    const left = found.filter(state => !removed.includes(state))
    tellFound(folder, { left, removed }, out)
  } catch (error) {
    const how = explain(systemFailure(`Incomplete files in ${folder} cannot be looked for`, error))
    out.news(
      { event: 'parts_unknown', code: how.code, message: how.sentence },
      ({ yellow }) => `${yellow('!')} ${printable(told(how))}`,
    )
  }
  return parts
}

interface Found {
  readonly left: readonly PartState[]
  readonly removed: readonly PartState[]
}

function tellFound(folder: string, { left, removed }: Found, out: Output): void {
  const shown = printable(folder)
  const last = `${partsLast / 1000 / day} days`
  if (left.length > 0) {
    const seconds = Math.max(0, ...left.map(({ age }) => Math.round(age / 1000)))
    out.news(
      { event: 'parts_found', folder, ...counted(left), oldest_seconds: seconds },
      `${files(left)} in ${shown} (${size(left)}, ${left.length === 1 ? '' : 'the oldest '}${printAge(seconds)} old): each goes on when it is sent again, and is removed after ${last}.`,
    )
  }
  if (removed.length > 0) {
    out.news(
      { event: 'parts_removed', folder, ...counted(removed) },
      `${files(removed)} in ${shown} removed (${size(removed)}): nothing has come of it for ${last}.`,
    )
  }
}

const bytesOf = (parts: readonly PartState[]): number => parts.reduce((sum, { bytes }) => sum + bytes, 0)

const counted = (parts: readonly PartState[]) => ({ count: parts.length, bytes: bytesOf(parts) })

const size = (parts: readonly PartState[]): string => printBytes(bytesOf(parts))

const files = ({ length }: readonly PartState[]): string =>
  length === 1 ? '1 incomplete file' : `${length} incomplete files`

/** "40 s", "5 min", "3 h", "2 days". */
function printAge(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 2 * day) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / day)} days`
}
