import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { cleanUp, startParley, temporaryFolder } from '../processes.ts'
import { median } from '../stats.ts'

/**
 * What a file transfer between two CLI processes moves, beside what the WebRTC library itself moves between two, in turns
 * over loopback; and the most memory that either process of the CLI has.
 */

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '5' },
    runtime: { type: 'string', default: 'node' },
    json: { type: 'boolean', default: false },
  },
})
const bytes = Number(values.megabytes) * 1_000_000
const root = join(import.meta.dir, '../../..')
const runtime = values.runtime === 'bun' ? process.execPath : values.runtime
const cli = [runtime, join(root, 'cli/bin/parley.js')]
const loopback = ['--bind-address', '127.0.0.1', '--anonymous', '--json']

process.on('exit', cleanUp)
const folder = temporaryFolder()
const server = await startParley(folder)
const file = join(folder, 'content')
fill(file, bytes)

const rounds: { readonly raw: number; readonly parley: number }[] = []
let mostMemory = 0
for (let round = 0; round < Number(values.rounds); round++) {
  const raw = await rawSeconds()
  const transfer = await transferOnce()
  mostMemory = Math.max(mostMemory, transfer.memory)
  rounds.push({ raw: bytes / raw / 1e6, parley: bytes / transfer.seconds / 1e6 })
  console.error(`... raw ${rounds.at(-1)?.raw.toFixed(1)} MB/s, file ${rounds.at(-1)?.parley.toFixed(1)} MB/s`)
}
await server.stop()

const share = median(rounds.map(({ raw, parley }) => parley / raw))
const result = {
  runtime: values.runtime,
  megabytes: bytes / 1e6,
  rawMegabytesPerSecond: median(rounds.map(({ raw }) => raw)),
  fileMegabytesPerSecond: median(rounds.map(({ parley }) => parley)),
  share,
  mostResidentMegabytes: mostMemory / 1e6,
}
if (values.json) console.log(JSON.stringify(result))
else {
  console.log(`library itself   ${result.rawMegabytesPerSecond.toFixed(1)} MB/s`)
  console.log(`file, both CLIs  ${result.fileMegabytesPerSecond.toFixed(1)} MB/s: ${Math.round(100 * share)} %`)
  console.log(`most memory      ${result.mostResidentMegabytes.toFixed(0)} MB resident, of either process`)
}
process.exit(0)

/** A file of that size whose every megabyte is another one. */
function fill(path: string, size: number): void {
  const block = crypto.getRandomValues(Buffer.alloc(65_536))
  const handle = openSync(path, 'w')
  for (let at = 0; at < size; at += block.length) {
    block.writeUInt32LE(at / block.length)
    writeSync(handle, block)
  }
  ftruncateSync(handle, size)
  closeSync(handle)
}

async function rawSeconds(): Promise<number> {
  const child = Bun.spawn([runtime, join(import.meta.dir, 'raw-transfer.mjs'), String(bytes), '65536'], {
    stdout: 'pipe',
  })
  const output = await child.stdout.text()
  return JSON.parse(output).seconds
}

/** Sends the file from one process of the CLI to another. `memory`: bytes, the most that either had resident. */
async function transferOnce(): Promise<{ seconds: number; memory: number }> {
  const inbox = join(folder, 'inbox')
  const address = ['--server', server.http ?? '', '--ws', server.ws]
  const worker = start([...cli, 'worker', ...address, '--folder', inbox, '--once', ...loopback])
  const { session } = await worker.event('ready')
  const sender = start([...cli, 'connect', String(session), '--send', file, ...loopback])
  const sent = await sender.event('file_sent')
  const memory = Math.max(peakMemory(worker.pid), peakMemory(sender.pid))
  await Promise.all([worker.ended, sender.ended])
  rmSync(inbox, { recursive: true })
  return { seconds: Number(sent.ms) / 1000, memory }
}

function start(command: readonly string[]) {
  const child = Bun.spawn([...command], { cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
  const lines = createInterface({ input: Readable.fromWeb(child.stdout as never) })[Symbol.asyncIterator]()
  return {
    pid: child.pid,
    ended: child.exited,
    /** The next event of that name. @throws Error if the program ends before */
    async event(name: string): Promise<Record<string, unknown>> {
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error(`${command.join(' ')} ended before ${name}.`)
        const event = JSON.parse(value)
        if (event.event === name) return event
      }
    },
  }
}

/** VmHWM of proc(5), in bytes. */
function peakMemory(pid: number): number {
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
