import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { posix } from 'node:path'

/** What a file says, or undefined where there is none that can be read. */
type Read = (path: string) => string | undefined

const readText: Read = path => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Where control groups are mounted, and the file in each that has its limit: version 2, version 1, both on one machine. */
const hierarchies = [
  { isMember: /^0::(.+)$/m, root: '/sys/fs/cgroup', file: 'memory.max' },
  {
    isMember: /^\d+:(?:[^:]+,)?memory(?:,[^:]+)?:(.+)$/m,
    root: '/sys/fs/cgroup/memory',
    file: 'memory.limit_in_bytes',
  },
  { isMember: /^0::(.+)$/m, root: '/sys/fs/cgroup/unified', file: 'memory.max' },
] as const

/**
 * Bytes of memory that this process may use: those of the machine, or the least that one of its control groups allows. In
 * a container the groups above it may be out of sight, so what is not there is skipped.
 */
export function usableMemory(machine: number = totalmem(), read: Read = readText): number {
  const groups = read('/proc/self/cgroup') ?? ''
  let least = machine
  for (const { isMember, root, file } of hierarchies) {
    const [, path] = isMember.exec(groups) ?? []
    if (path === undefined) continue
    for (let folder = posix.normalize(path); ; folder = posix.dirname(folder)) {
      const limit = Number.parseInt(read(posix.join(root, folder, file)) ?? '', 10)
      // "max" is none.
      if (limit > 0) least = Math.min(least, limit)
      if (folder === '/' || folder === '.') break
    }
  }
  return least
}

/** Of the memory that the process may use, one part in so many is for queues; more than `largestBudget` helps nobody. */
const share = 8
const largestBudget = 512 * 1024 * 1024

/** Bytes that all queues together may take, where the operator does not say. */
export const queueBudget = (usable: number): number => Math.min(Math.floor(usable / share), largestBudget)
