import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParleyError, serverAddress } from '@parley/client'
import { command, common, webRtcOptions } from '../command.ts'
import { play } from '../demo/play.ts'
import { startServer } from '../demo/server-process.ts'
import { Timeline } from '../demo/timeline.ts'
import { systemFailure, UsageError } from '../failure.ts'
import { aborted } from '../stay-connected.ts'
import { webRtc } from '../webrtc.ts'

export const demo = command({
  name: 'demo',
  summary: 'Shows all of it in one terminal: server, worker, client, and a file',
  synopsis: ['demo [--server URL] [--json]'],
  description: [
    'Starts a server, a worker and a client, connects them, transfers a file, and tells each step with the milliseconds that it took. Everything is real, and at the end everything is gone: the server, the room, the files.',
  ],
  options: {
    server: { type: 'string', value: 'URL', meaning: 'Uses this server instead of starting one.' },
    ws: common.ws,
    json: common.json,
    help: common.help,
    ...webRtcOptions,
  },
  examples: [
    ['parley demo', 'in a checkout of Parley, “npm run demo” is the same'],
    ['parley demo --server https://parley.example.com', 'how long it takes with that server'],
  ],
  events: {
    step: 'step (signed_in, room_created, worker_registered, client_registered, offer, answer, connected, …), actor, ms',
    file_started: 'transfer, direction, peer, name, size',
    progress: 'the same, and status, bytes, bytes_per_second',
    file_sent: 'the same as file_started, and kept_as, sha256, ms',
    summary: 'handshake_ms (from the offer to the connection), total_ms',
  },
  async run({ server, ws, 'bind-address': bindAddress }, operands, { out, interruption }) {
    if (operands[0] !== undefined) throw new UsageError(`“${operands[0]}” is one too many.`, 'demo')
    if (ws !== undefined && server === undefined) throw new UsageError('--ws goes with --server.', 'demo')
    const { RTCPeerConnection } = await webRtc({
      bindAddress: bindAddress ?? (server === undefined ? '127.0.0.1' : undefined),
    })
    const folder = await mkdtemp(join(tmpdir(), 'parley-demo-')).catch(error => {
      const advice = 'TMPDIR names another folder for temporary files.'
      throw systemFailure(`No folder can be made in ${tmpdir()}`, error, advice)
    })
    const timeline = new Timeline(out)
    try {
      const own = server === undefined ? await startServer(join(folder, 'data')) : undefined
      try {
        const address = own ?? serverAddress(server ?? '', ws)
        timeline.mark('server_up', 'server', `is up at ${address.httpUrl}`)
        const end = aborted(interruption.signal).then(() => {
          throw new ParleyError('ABORTED', 'The demo was interrupted.')
        })
        await Promise.race([play({ ...address, folder, RTCPeerConnection, timeline, out }), end])
      } finally {
        await own?.stop()
        if (own) timeline.mark('server_stopped', 'server', 'is stopped')
      }
      const [handshake, total] = [timeline.between('offer', 'connected'), timeline.between('', 'verified')]
      const summary = { event: 'summary', handshake_ms: handshake, total_ms: total }
      out.data(
        summary,
        ({ bold }) => `\n${bold(`From the offer to the connection: ${handshake} ms.`)} All in all: ${total} ms.`,
      )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return 0
  },
})
