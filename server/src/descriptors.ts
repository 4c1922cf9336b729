import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import type { Clock } from './clock.ts'
import { descriptors } from './libc.ts'

/** Which ports accept no connections for now: accepting without a descriptor to spare would spin (oven-sh/bun, pull request 32705). */
export type Shortage = 'none' | 'gateway' | 'all'

/** Milliseconds between two looks. */
const every = 250
/** Free descriptors without which the gateway accepts nothing, twice; HTTP goes on to a quarter of that. The rest is for files and services. */
const reserveAtMost = 64

/** Files and sockets that this process may have open; undefined where the system does not say. Bun raises it as far as it may. */
export function descriptorLimit(): number | undefined {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === undefined ? undefined : Number(limit)
  } catch {
    return undefined
  }
}

/** Calls `tell` as long as the process runs, often, with what is short. Does nothing where there is no limit to be known. */
export function watchDescriptors(clock: Clock, tell: (shortage: Shortage) => void, limit = descriptorLimit()): void {
  if (limit === undefined) return
  const reserve = Math.min(reserveAtMost, Math.floor(limit / 8))
  const look = () => {
    const free = freeDescriptors(limit, 2 * reserve)
    tell(free < reserve / 2 ? 'all' : free < 2 * reserve ? 'gateway' : 'none')
    clock.after(every, look)
  }
  look()
}

/** How many of `limit` descriptors are free, counted up to `most`. */
export function freeDescriptors(limit: number, most: number): number {
  const open = openDescriptors()
  if (open === undefined) return openable(most)
  // The system as a whole may have none left, either.
  return openable(1) === 0 ? 0 : Math.min(limit - open, most)
}

/** How many this process has, which Linux tells since 6.2 by the size of a folder (proc(5)); undefined elsewhere. */
function openDescriptors(): number | undefined {
  try {
    return statSync(descriptors).size || undefined
  } catch {
    return undefined
  }
}

/** How many can be opened, up to `most`. */
function openable(most: number): number {
  const open: number[] = []
  try {
    while (open.length < most) open.push(openSync('/dev/null', 'r'))
  } catch {
    // None is left.
  }
  for (const descriptor of open) closeSync(descriptor)
  return open.length
}
