import { enter, type RoomKey, registerFrame } from '../load/peers.ts'

// Registers again and again on new connections, and tells its parent how long that took: from `register` to the answer.

/** Milliseconds from one registration to the next. */
const every = 20

const [ws = '', key = '', idToken = ''] = process.argv.slice(2)
const room = JSON.parse(key) as RoomKey
let took: number[] = []
let count = 0

async function registerOnce(): Promise<void> {
  const frame = registerFrame(`probe-${count++}`, room, idToken)
  try {
    const begun = performance.now()
    const wire = await enter(ws, frame)
    took.push(performance.now() - begun)
    wire.close()
  } catch {
    // The server is away.
  }
}

setInterval(() => void registerOnce(), every)
process.on('message', () => {
  process.send?.(took)
  took = []
})
process.send?.('ready')
