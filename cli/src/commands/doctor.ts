import { serverAddress } from '@parley/client'
import { command, common } from '../command.ts'
import type { CheckResult } from '../doctor/check.ts'
import { examine } from '../doctor/examine.ts'
import { line, summary } from '../doctor/report.ts'
import { UsageError } from '../failure.ts'
import { webSocket } from '../server.ts'

export const doctor = command({
  name: 'doctor',
  summary: 'Finds out what works between here and a server, and what to do',
  synopsis: ['doctor URL [--ws URL] [--json]'],
  description: [
    'Tries everything that two peers need of a server, one step after the other: HTTP, sign-in, a room, the WebSocket, signaling, STUN, a relay on each TURN server, and how long it takes. What it makes for that it removes again.',
    'The exit code is 0 if everything works, also with warnings, and 1 if something does not.',
  ],
  options: { ws: common.ws, json: common.json, help: common.help },
  examples: [
    ['parley doctor http://127.0.0.1:8001', 'the server of this machine'],
    ['parley doctor https://parley.example.com --ws wss://parley.example.com/ws', 'behind a proxy with TLS'],
  ],
  events: {
    check: 'name, status ("ok", "warning", "failed", "skipped"), detail, and if there are some, ms and advice',
    summary: 'text, exit_code',
  },
  async run({ ws }, operands, { out, interruption }) {
    const [url, extra] = operands
    if (url === undefined) throw new UsageError('Which server? It needs its address.', 'doctor')
    if (extra !== undefined) throw new UsageError(`“${extra}” is one too many.`, 'doctor')
    const options = { ...serverAddress(url, ws), WebSocket: await webSocket(), signal: interruption.signal }
    const results: CheckResult[] = []
    for await (const result of examine(options)) {
      results.push(result)
      out.data({ event: 'check', ...result }, ({ isColoured }) => line(result, { colour: isColoured }))
    }
    const { sentence, exitCode } = summary(results)
    out.data({ event: 'summary', text: sentence, exit_code: exitCode }, ({ bold }) => `\n${bold(sentence)}`)
    return exitCode
  },
})
