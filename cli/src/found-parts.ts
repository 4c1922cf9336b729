import { explain, systemFailure, told } from './failure.ts'
import { type FoundParts, type PartState, Parts, partsLast } from './files/parts.ts'
import type { Output } from './output.ts'
import { printBytes } from './progress.ts'
import { printable } from './terminal.ts'

const day = 24 * 3600

/** Looks for incomplete files in the folder that no program receives any more, and tells what there is. */
export async function findParts(folder: string, out: Output): Promise<Parts> {
  const parts = new Parts(folder)
  try {
    tellFound(folder, await parts.find(), out)
  } catch (error) {
    const how = explain(systemFailure(`Incomplete files in ${folder} cannot be looked for`, error))
    out.news(
      { event: 'parts_unknown', code: how.code, message: how.sentence },
      ({ yellow }) => `${yellow('!')} ${printable(told(how))}`,
    )
  }
  return parts
}

function tellFound(folder: string, { parts, removed }: FoundParts, out: Output): void {
  const shown = printable(folder)
  const last = `${partsLast / 1000 / day} days`
  if (parts.length > 0) {
    const seconds = Math.max(0, ...parts.map(({ age }) => Math.round(age / 1000)))
    out.news(
      { event: 'parts_found', folder, ...counted(parts), oldest_seconds: seconds },
      `${files(parts)} in ${shown} (${size(parts)}, ${parts.length === 1 ? '' : 'the oldest '}${printAge(seconds)} old): each goes on when it is sent again, and is removed after ${last}.`,
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
