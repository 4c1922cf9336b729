import { afterAll } from 'bun:test'
import { endDataChannels } from './datachannel-peer.ts'
import { hasDataChannel, needs } from './needs.ts'
import { startParley } from './parley-process.ts'
import { aiortcClient, aiortcWorker, dataChannel, webrtcNeeds } from './scenarios.ts'

afterAll(async () => {
  if (await hasDataChannel()) await endDataChannels()
})

const withDataChannel = needs({ 'node-datachannel': await hasDataChannel() })
withDataChannel('two peers trickle candidates, open a data channel and exchange text and 5 MB', async () =>
  dataChannel(await startParley()),
)

const withAiortc = needs(webrtcNeeds)
withAiortc('an aiortc worker answers a client that trickles', async () => aiortcWorker(await startParley()))
withAiortc('an aiortc client goes the whole way of deployed clients', async () => aiortcClient(await startParley()))
