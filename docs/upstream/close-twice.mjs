// node close-twice.mjs [ROUNDS] [careful]: both sides close a channel at the same time; how often is one not told of its end?
import { PeerConnection } from 'node-datachannel'

const [rounds = '2000', careful] = process.argv.slice(2)
const options = { iceServers: [], bindAddress: '127.0.0.1' }
const a = new PeerConnection('a', options)
const b = new PeerConnection('b', options)
a.onLocalDescription((sdp, type) => b.setRemoteDescription(sdp, type))
b.onLocalDescription((sdp, type) => a.setRemoteDescription(sdp, type))
a.onLocalCandidate((candidate, mid) => b.addRemoteCandidate(candidate, mid))
b.onLocalCandidate((candidate, mid) => a.addRemoteCandidate(candidate, mid))

let untold = 0
for (let round = 0; round < Number(rounds); round++) {
  const announced = new Promise(resolve => b.onDataChannel(resolve))
  const near = a.createDataChannel('short')
  const opened = new Promise(resolve => near.onOpen(resolve))
  near.onClosed(() => {})
  const far = await announced
  const told = new Promise(resolve => far.onClosed(() => resolve(true)))
  await opened
  near.close()
  // The word of it takes up to a fifth of a millisecond.
  for (const until = performance.now() + 0.2 * Math.random(); performance.now() < until; );
  if (!careful || far.isOpen()) far.close()
  const late = new Promise(resolve => setTimeout(resolve, 1000, false))
  if (!(await Promise.race([told, late]))) untold++
}
console.log(`${untold} of ${rounds} were not told`)
for (const connection of [a, b]) connection.close()
setTimeout(() => {
  console.log('and the program does not end by itself')
  process.exit(1)
}, 2000).unref()
