import { writeSync } from 'node:fs'

// Runs on a thread of its own: an endless loop in what is fuzzed would never let the main thread say so.

interface Watch {
  readonly progress: Float64Array
  readonly longest: number
  readonly name: string
  readonly seed: number
}

declare const self: { onmessage: (event: { data: Watch }) => void }

self.onmessage = ({ data: { progress, longest, name, seed } }) => {
  let last = 0
  let since = performance.now()
  setInterval(() => {
    const [at = 0, beat = 0] = progress
    if (beat !== last) since = performance.now()
    last = beat
    if (performance.now() - since < longest * 1000) return
    writeSync(2, `${name}: a case does not end\n  again: npm run fuzz -- --only ${name} --seed ${seed} --at ${at}\n`)
    process.kill(process.pid, 'SIGKILL')
  }, 250)
}
