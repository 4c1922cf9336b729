import { expect, test } from 'bun:test'
import { Emitter } from './emitter.ts'

class Bell extends Emitter<{ ring: [times: number] }> {
  ring(times: number): void {
    this.emit('ring', times)
  }
  get isHeard(): boolean {
    return this.hasListeners('ring')
  }
}

test('every subscription is called until it ends, also two of one listener', () => {
  const bell = new Bell()
  const heard: number[] = []
  const listener = (times: number) => heard.push(times)
  const off = bell.on('ring', listener)
  const offAgain = bell.on('ring', listener)
  bell.ring(1)
  off()
  off()
  bell.ring(2)
  offAgain()
  bell.ring(3)
  expect(heard).toEqual([1, 1, 2])
  expect(bell.isHeard).toBe(false)
})

test('whoever subscribes or leaves while an event is told changes nothing about that one', () => {
  const bell = new Bell()
  const heard: string[] = []
  const off = bell.on('ring', () => {
    off()
    bell.on('ring', () => heard.push('late'))
  })
  bell.on('ring', () => heard.push('second'))
  bell.ring(1)
  expect(heard).toEqual(['second'])
})

test('once waits for an event that matches, unless it is called off', async () => {
  const bell = new Bell()
  const abort = new AbortController()
  const second = bell.once('ring', times => times === 2)
  const never = bell.once('ring', times => times === 3, abort.signal)
  bell.ring(1)
  bell.ring(2)
  expect(await second).toEqual([2])
  abort.abort()
  expect(bell.isHeard).toBe(false)
  bell.ring(3)
  expect(await Promise.race([never, Promise.resolve('nothing')])).toBe('nothing')
})

test('a listener that throws stops neither the others nor the caller, and its error is reported', async () => {
  const script = `
    import { Emitter } from './emitter.ts'
    class Bell extends Emitter { ring() { this.emit('ring') } }
    const bell = new Bell()
    process.on('uncaughtException', error => console.log('reported', error.message))
    bell.on('ring', () => { throw new Error('broken') })
    bell.on('ring', () => console.log('heard'))
    bell.ring()
    console.log('rung')`
  const run = Bun.spawnSync([process.execPath, '-e', script], { cwd: import.meta.dir })
  expect(run.stdout.toString()).toBe('heard\nrung\nreported broken\n')
})
