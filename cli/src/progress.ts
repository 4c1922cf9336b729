import { fitted } from './terminal.ts'

/** How far something is that takes its time. */
export interface Progress {
  readonly label: string
  readonly bytes: number
  readonly size: number
  /** Bytes a second; undefined while it is not known. */
  readonly rate: number | undefined
  /** Instead of rate and time, as "waiting". */
  readonly note?: string
}

const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const

/** "999 B", "1.2 MB": three digits, and thousands as the makers of disks count them. */
export function printBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** "0:07", "12:34", "1:02:03". */
export function printSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  const pad = (n: number) => String(n).padStart(2, '0')
  const minutes = Math.floor(whole / 60)
  const tail = `${pad(whole % 60)}`
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${tail}`
}

/** Columns of what stands behind the bar. */
const figureColumns = 26

/** One line for it, with a bar if there is space. */
export function progressLine({ label, bytes, size, rate, note }: Progress, columns: number): string {
  const part = size === 0 ? 1 : Math.min(1, bytes / size)
  // Rounded down: 100 % is said when there is nothing left.
  const percent = `${String(Math.floor(part * 100)).padStart(3)} %`
  const speed = rate === undefined ? '' : `${printBytes(rate)}/s`.padStart(10)
  const left = rate === undefined || rate <= 0 ? '' : `  ${printSeconds((size - bytes) / rate).padStart(7)}`
  const figures = `${percent}  ${note ?? `${speed}${left}`}`.padEnd(figureColumns)
  const labelColumns = Math.min(32, Math.max(8, Math.floor(columns / 3)))
  const barColumns = Math.min(40, columns - labelColumns - figureColumns - 4)
  const bar = barColumns < 5 ? '' : `[${'#'.repeat(Math.floor(part * barColumns)).padEnd(barColumns, '·')}] `
  return fitted(`${fitted(label, labelColumns)} ${bar}${figures}`, columns).trimEnd()
}

/** Milliseconds that are looked back. */
const window = 3000

/** How fast something is at the moment. */
export class Rate {
  #samples: { readonly at: number; readonly bytes: number }[] = []

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @param bytes so far; fewer than before begin a new measurement */
  add(bytes: number): void {
    const at = this.now()
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples = []
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) >= window) this.#samples.shift()
  }

  /** Bytes a second; undefined before there is something to compare. */
  get perSecond(): number | undefined {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (!first || !last || last.at - first.at < 100) return undefined
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000
  }
}
