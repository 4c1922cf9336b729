import { command, common, webRtcOptions } from '../command.ts'
import { chatEvents, connectionEvents, fileEvents, identityEvents } from '../events.ts'
import { ExecHook } from '../exec-hook.ts'
import { UsageError } from '../failure.ts'
import { openFolder } from '../files/disk-sink.ts'
import { findParts } from '../found-parts.ts'
import { jsonObject } from '../json-option.ts'
import { ownName } from '../own-name.ts'
import { makeRoom } from '../own-room.ts'
import { randomPeerId } from '../peer-id.ts'
import { serve } from '../serve.ts'
import { localServer, openServer } from '../server.ts'
import { formatSession, parseSession, quoted } from '../session.ts'
import { printable } from '../terminal.ts'
import { webRtc } from '../webrtc.ts'

export const worker = command({
  name: 'worker',
  summary: 'Makes a room and waits in it for others: takes their files and text',
  synopsis: ['worker [--server URL] [--folder DIR] [--exec COMMAND] [OPTION…]', 'worker --room SESSION [OPTION…]'],
  description: [
    'Makes a room on the server and prints the one line with which somebody else connects to this worker: “parley connect SESSION”. Whoever has that line may enter, so give it away as you would a key.',
    'It keeps the files that are sent to it in a folder (no file replaces another: its name gets a number; folders arrive with all that is in them; until a file is complete it is NAME.part, from which it goes on when it is sent again, also after a restart), prints the text that comes (each message on a data channel with the label “chat”), and sends each line of its standard input to everybody who is connected. It waits for a server that is not there yet, and outlasts its restarts. Ctrl-C ends it: the connections are closed, and the room is deleted if it has made it. A second Ctrl-C ends it at once.',
    '--exec runs a command for each file that has arrived as a whole, one after the other. There is no shell: the command is split into words at spaces; "…", \'…\' and \\ keep words together, and nothing else is special. {} in it stands for the path of the file; without any {} the path is added as the last argument, which is $1 of a script. The environment has PARLEY_FILE (the path), PARLEY_PEER (who has sent it) and PARLEY_SHA256 (the hash). What the command says goes to standard error. How it ends is told here and not to the sender, and a failure does not stop the worker.',
    'In the background of a shell, give it “< /dev/null”: else the shell stops it as soon as it wants to read.',
  ],
  options: {
    server: common.server,
    ws: common.ws,
    room: { type: 'string', value: 'SESSION', meaning: 'Enters the room of this session instead of making one.' },
    'peer-id': {
      type: 'string',
      value: 'ID',
      meaning: 'Its name in the room. Default: its role and something random.',
    },
    folder: { type: 'string', value: 'DIR', meaning: 'Where files go; made if need be. Default: the current folder.' },
    exec: { type: 'string', value: 'COMMAND', meaning: 'What to run for each received file; see above.' },
    role: { type: 'string', value: 'ROLE', meaning: 'What it is there for, to be found by. Default: worker' },
    metadata: {
      type: 'string',
      value: 'JSON',
      meaning: 'What it says of itself, as {"tags":["gpu"],"properties":{"memory_gb":24}}.',
    },
    channel: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      meaning: 'The channels that it is in: it sees, and is seen by, those who share one.',
    },
    once: {
      type: 'boolean',
      meaning:
        'Serves the first peer that connects, and ends when that has gone; with 1 if a file or a command failed.',
    },
    anonymous: common.anonymous,
    json: common.json,
    help: common.help,
    ...webRtcOptions,
  },
  examples: [
    ['parley worker', 'with the server of this machine; files go to the current folder'],
    ['parley worker --server https://parley.example.com --folder inbox', 'with another server and folder'],
    [`parley worker --exec './predict.sh --model small'`, 'runs ./predict.sh --model small PATH for each file'],
    [`parley worker --exec 'sh -c "gzip < \\"$1\\" > \\"$1.gz\\"" sh {}'`, 'runs a shell, where one is needed'],
    [`parley worker --metadata '{"tags":["gpu"]}' < /dev/null &`, '“parley peers SESSION --tag gpu” finds it'],
  ],
  events: {
    ready: 'session (for “parley connect”), room_id, peer_id, folder',
    ...identityEvents,
    ...connectionEvents,
    ...chatEvents,
    ...fileEvents,
    exec_started: 'path, peer',
    exec_ended: 'path, peer, code (null if it has not ended by itself), signal, ms',
    exec_skipped: 'path, peer',
    room_extended: 'room_id, seconds: it lasts for so long from now on',
    room_expiring: 'room_id, code, message: it could not be given more time, which is tried again',
    room_deleted: 'room_id',
    room_left_behind: 'room_id: it could not be deleted, and will end by itself',
  },
  async run(values, operands, context) {
    const { out, env } = context
    const { role = 'worker', channel: channels, once } = values
    if (operands[0] !== undefined) throw new UsageError(`“${operands[0]}” is one too many.`, 'worker')
    const given = values.room === undefined ? undefined : parseSession(values.room)
    if (given && (values.server ?? values.ws) !== undefined) {
      throw new UsageError('--room says which server it is: leave --server and --ws out.', 'worker')
    }
    const metadata = values.metadata === undefined ? {} : jsonObject(values.metadata, 'metadata', 'worker')
    const hook = values.exec === undefined ? undefined : new ExecHook(values.exec, out)
    const folder = await openFolder(values.folder ?? '.')
    const parts = await findParts(folder, out)
    const rtc = await webRtc({ bindAddress: values['bind-address'] })
    const url = given?.httpUrl ?? values.server ?? localServer
    const ws = given?.wsUrl ?? values.ws
    const parley = await openServer(
      { url, ws, anonymous: values.anonymous, waitFor: Number.POSITIVE_INFINITY, ...rtc },
      context,
    )
    const [{ roomId, token }, own] = given ? [given] : await makeRoom(parley, out)
    try {
      const peerId = values['peer-id'] ?? randomPeerId(role)
      // Whoever comes first stays the only one.
      let only: string | undefined
      const accept = (other: string) => {
        only ??= other
        return !once || only === other
      }
      const room = await parley.join({ roomId, token, peerId, role, metadata, channels, accept })
      own?.keepAlive(room)
      const session = formatSession({ ...parley.address, roomId, token, peerId })
      const ready = { event: 'ready', session, room_id: roomId, peer_id: peerId, folder }
      out.data(ready, ({ bold }) => bold(`${ownName(env)} connect ${quoted(session)}`))
      out.hint(({ dim }) => dim(`Files go to ${printable(folder)}. Lines that you type go to all. Ctrl-C ends it.`))
      return await serve(room, { parts, hook, once }, context)
    } finally {
      await Promise.all([rtc.told(), own?.delete()])
    }
  },
})
