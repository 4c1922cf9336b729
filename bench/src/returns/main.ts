import { Parley, type Room } from '@parley/client'
import { createRoom, signIn } from '../load/peers.ts'
import { cleanUp, startAssistant, startParley, temporaryFolder } from '../processes.ts'
import { quantile } from '../stats.ts'

/**
 * What a server goes through when it is restarted and all come back: peers with the SDK, all of them in one process, while
 * another process registers 50 times a second and measures how long that takes.
 */

const peers = 2_000
const peersPerRoom = 50
const restarts = 3
/** Milliseconds of the spans in which the server's CPU time is measured. */
const span = 250

process.on('exit', cleanUp)
const folder = temporaryFolder()
const settings = { PARLEY_MAX_PEERS_PER_IDENTITY: '1000000', PARLEY_STUN_URLS: 'none' }
let server = await startParley(folder, settings)
const { http = '', ws } = server
const ports = { PARLEY_HTTP_PORT: new URL(http).port, PARLEY_WS_PORT: new URL(ws).port }

console.error(`... ${peers} peers enter`)
const rooms: Room[] = []
for (let entered = 0; entered < peers; entered += peersPerRoom) {
  const { roomId, token } = await new Parley(http, { wsUrl: ws }).createRoom()
  const joins = Array.from({ length: peersPerRoom }, (_, n) =>
    new Parley(http, { wsUrl: ws }).join({ roomId, token, peerId: `peer-${n}` }),
  )
  rooms.push(...(await Promise.all(joins)))
}
const idToken = await signIn(http)
const key = JSON.stringify(await createRoom(http, idToken))
const probe = startAssistant(`${import.meta.dir}/probe.ts`, [ws, key, idToken], -5)
await probe.ask()

console.log('| restart | all are back after | busiest 250 ms of the server | register p50 | p99 | longest |')
console.log('| --- | --- | --- | --- | --- | --- |')
for (let restart = 1; restart <= restarts; restart++) {
  console.error(`... restart ${restart}`)
  await server.stop()
  await probe.ask({})
  const back = Promise.all(rooms.map(isBack))
  server = await startParley(folder, { ...settings, ...ports })
  const begun = performance.now()
  const busiest = busiestSpan(server.cpuSeconds, back)
  await back
  const all = (performance.now() - begun) / 1000
  const percent = await busiest
  const took = Float64Array.from(await probe.ask<number[]>({})).toSorted()
  const ms = (q: number) => `${quantile(took, q).toFixed(1)} ms`
  console.log(`| ${restart} | ${all.toFixed(2)} s | ${percent.toFixed(0)} % | ${ms(0.5)} | ${ms(0.99)} | ${ms(1)} |`)
}
for (const room of rooms) room.leave()
await probe.stop()
await server.stop()
process.exit(0)

/** Resolves when the room is connected again, which it may not yet have ceased to be. */
async function isBack(room: Room): Promise<void> {
  if (room.state.status === 'connected') await room.once('state')
  await room.once('state', ({ status }) => status === 'connected')
}

/** The most CPU time, in percent of a core, that the server takes within a span until `end`. */
async function busiestSpan(cpuSeconds: () => number, end: Promise<unknown>): Promise<number> {
  let isOver = false
  void end.then(() => {
    isOver = true
  })
  let [most, before, since] = [0, cpuSeconds(), performance.now()]
  while (!isOver) {
    await Bun.sleep(span)
    const [now, at] = [cpuSeconds(), performance.now()]
    most = Math.max(most, ((now - before) / ((at - since) / 1000)) * 100)
    ;[before, since] = [now, at]
  }
  return most
}
