import { expect, onTestFinished } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { createRoom, signIn } from './api.ts'
import { needs, runs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

const test = needs({ bash: runs('bash', '--version') })

for (const port of ['HTTP', 'WebSocket'] as const) {
  test(`more connections to the ${port} port than descriptors neither spin nor disturb who is there`, async () => {
    const parley = await startParley({ openFiles: 256 })
    const { httpUrl, wsUrl } = parley
    const idToken = await signIn(httpUrl)
    const room = await createRoom(httpUrl, idToken)
    const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
    const bob = await PlainPeer.register({ wsUrl, peerId: 'bob', idToken, room })

    const others = crowd(port === 'HTTP' ? httpUrl : wsUrl, 400)
    while (!parley.stderr.some(line => line.includes('file descriptors are short'))) {
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    const before = await processorTime(parley)
    for (let i = 0; i < 10; i++) {
      ada.send({ type: 'offer', sender: 'ada', target: 'bob', sdp: `v=${i}` })
      expect(await bob.messages.next()).toMatchObject({ sdp: `v=${i}` })
      await new Promise(resolve => setTimeout(resolve, 200))
    }
    // Of 2 s and more.
    expect((await processorTime(parley)) - before).toBeLessThan(1)

    for (const other of others) other.destroy()
    // It accepts again by itself.
    let eve: PlainPeer | undefined
    while (!eve) eve = await PlainPeer.register({ wsUrl, peerId: 'eve', idToken, room }).catch(() => undefined)
    expect(await signIn(httpUrl)).toBeString()
    expect((await parley.stop()).code).toBe(0)
  })
}

/** So many TCP connections that begin a request and never end it. */
function crowd(url: string, size: number): Socket[] {
  const { hostname, port } = new URL(url)
  const sockets = Array.from({ length: size }, () => {
    const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {})
    socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: '))
    return socket
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return sockets
}

/** Seconds that the process has computed. */
async function processorTime({ pid }: ParleyProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? []
  // utime and stime, in the hundredths of a second of proc_pid_stat(5).
  return (Number(fields[11]) + Number(fields[12])) / 100
}
