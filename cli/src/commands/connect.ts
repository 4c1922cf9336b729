import { command, common, webRtcOptions } from '../command.ts'
import { Conversation } from '../conversation.ts'
import { chatEvents, connectionEvents, fileEvents, identityEvents } from '../events.ts'
import { exitCodes, UsageError } from '../failure.ts'
import { openFolder } from '../files/disk-sink.ts'
import { type DiskSource, diskSource, inputSource } from '../files/disk-source.ts'
import { isFolder, readTree, type Tree } from '../files/tree.ts'
import { findParts } from '../found-parts.ts'
import { randomPeerId } from '../peer-id.ts'
import { openServer } from '../server.ts'
import { looksLikeSession } from '../session.ts'
import { theSession } from '../session-operand.ts'
import { printable } from '../terminal.ts'
import { webRtc } from '../webrtc.ts'

export const connect = command({
  name: 'connect',
  summary: 'Connects to a worker: to talk, or to send files',
  synopsis: ['connect SESSION [--send PATH…] [--message TEXT] [--chat] [OPTION…]'],
  description: [
    'Connects to the worker of a session, which is the line that “parley worker” prints. The connection is direct: nothing that you say or send goes through the server.',
    'With --send or --message it does that and ends. Without them, or with --chat, it sends each line of its standard input and prints what comes, until the input ends (Ctrl-D), the worker leaves, or Ctrl-C.',
    'A folder is sent with all that is in it, and arrives under its own name; links in it are left out, and told. What is there already and is the same is not sent again. A file that cannot be read, or that the worker cannot keep, is told; the others go on, and the exit code is 1.',
    'With --legacy it speaks as the programs of the Python server’s time do: one data channel for all, files as NAME:SIZE, bytes, END_OF_FILE, which nobody confirms. It waits for a file to come back for each that it has sent, or for the other side to close the connection.',
    'It waits up to a minute for a server that is not there yet. A connection that is lost is made again, and files go on where they were, also when the worker was started again within a minute. A file counts as sent when the worker has it on its disk and its SHA-256 is right. Files that the worker sends are kept in the folder.',
  ],
  options: {
    send: {
      type: 'string',
      value: 'PATH',
      multiple: true,
      meaning: 'Sends these files and folders; - is the standard input.',
    },
    message: { type: 'string', value: 'TEXT', short: 'm', meaning: 'Says this.' },
    chat: { type: 'boolean', meaning: 'Talks after that is done. Default: if there is nothing else to do.' },
    folder: {
      type: 'string',
      value: 'DIR',
      meaning: 'Where files go that the worker sends. Default: the current folder.',
    },
    legacy: { type: 'boolean', meaning: 'Speaks as deployed programs do that know nothing of Parley; see above.' },
    'peer-id': {
      type: 'string',
      value: 'ID',
      meaning: 'Its name in the room. Default: its role and something random.',
    },
    role: { type: 'string', value: 'ROLE', meaning: 'What it is there for. Default: client' },
    anonymous: common.anonymous,
    json: common.json,
    help: common.help,
    ...webRtcOptions,
  },
  examples: [
    ["parley connect 'http://host:8001#room/token/worker'", 'talks'],
    ["parley connect 'http://host:8001#room/token/worker' --send a.mp4 b.mp4", 'sends two files'],
    ["parley connect 'http://host:8001#room/token/worker' --message 'begin'", 'says one thing'],
    ["parley connect 'http://host:8001#room/token/worker' --send photos/", 'sends a folder'],
    ["tar c folder | parley connect 'http://host:8001#room/token/worker' --send -", 'sends it as the file “stdin”'],
    ["make 2>&1 | parley connect 'http://host:8001#room/token/worker'", 'sends lines as they come'],
  ],
  events: {
    connecting: 'worker (whom it connects to), server',
    joined: 'room_id, peer_id, worker (whom it connects to)',
    ...identityEvents,
    ...connectionEvents,
    ...chatEvents,
    ...fileEvents,
    folder_started: 'folder, peer, files (how many), bytes',
    file_skipped: 'name, message: a link, or what is no file',
    folder_progress: 'the same as folder_started, and sent, failed (files), sent_bytes',
    folder_sent: 'the same as folder_started, and sent, failed, skipped (files), sent_bytes, ms',
  },
  isOperand: looksLikeSession,
  async run(values, operands, context) {
    const { out, interruption, stdin } = context
    const { send: paths, message, role = 'client' } = values
    const session = theSession(operands, 'connect')
    const peerId = values['peer-id'] ?? randomPeerId(role)
    if (peerId === session.peerId) throw new UsageError('--peer-id is the name of the worker itself.', 'connect')
    const isChatting = values.chat || (paths.length === 0 && message === undefined)
    // Who only talks needs none.
    const folder = values.folder === undefined ? process.cwd() : await openFolder(values.folder)
    const parts = await findParts(folder, out)
    const sources: (DiskSource | Tree)[] = []
    if (isChatting && paths.includes('-')) throw new UsageError('--send - and --chat both need the input.', 'connect')
    for (const path of paths) {
      if (path === '-') sources.push(await inputSource(stdin, interruption.signal))
      else if (!(await isFolder(path))) sources.push(await diskSource(path))
      else if (!values.legacy) sources.push(await readTree(path))
      else throw new UsageError(`${path} is a folder, and --legacy sends files only: send an archive.`, 'connect')
    }

    const rtc = await webRtc({ bindAddress: values['bind-address'] })
    const { httpUrl: url, wsUrl: ws, roomId, token, peerId: target } = session
    // Somebody who waits wants to know for what; a script wants lines that say something.
    out.news(
      { event: 'connecting', worker: target, server: url },
      out.isLive ? ({ dim }) => dim(`Connecting to ${printable(target)} through ${printable(url)} …`) : undefined,
    )
    const parley = await openServer({ url, ws, anonymous: values.anonymous, waitFor: 60_000, ...rtc }, context)
    // The others in the room are nobody's business here.
    const accept = (other: string) => other === target
    const room = await parley.join({ roomId, token, peerId, role, accept })
    out.news({ event: 'joined', room_id: roomId, peer_id: peerId, worker: target }, undefined)
    const conversation = await Conversation.begin(room, target, { parts, isLegacy: values.legacy }, context)
    let isDone = false
    try {
      const isSaid = message === undefined || (await conversation.say(message))
      const sent = await Promise.all(
        sources.map(source => ('entries' in source ? conversation.sendFolder(source) : conversation.send(source))),
      )
      if (values.legacy && !isChatting) await conversation.comeBack(sources.length)
      if (isChatting && !interruption.signal.aborted) await conversation.talk()
      isDone = isSaid && sent.every(Boolean)
    } finally {
      isDone = (await conversation.end()) && isDone
      await rtc.told()
    }
    return isDone ? exitCodes.ok : exitCodes.failed
  },
})
