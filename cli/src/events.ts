/** The events of `--json` that several commands have, as the help tells them. */

export const identityEvents = {
  identity_not_kept: 'message: the next “parley” will be somebody else',
} as const

export const connectionEvents = {
  server:
    'status: "connected", "reconnecting" with attempt, retry_at, code, message, or "waiting" (for one that is not there yet) with code, message',
  connected: 'peer',
  interrupted: 'peer: nothing is heard of it at the moment',
  restored: 'peer: it is heard again',
  disconnected: 'peer; if it was not on purpose, code and message',
} as const

export const chatEvents = {
  chat: 'peer, text',
  chat_failed: 'peer, code, message',
  chat_unconfirmed: 'message: the other side did not confirm in time that it has got what was said',
} as const

export const fileEvents = {
  file_started:
    'transfer (a number), direction ("sending" or "receiving"), peer, name, folder (of a file of a folder), size',
  progress: 'the same, and status ("connecting", "waiting", "transferring"), bytes, bytes_per_second',
  file_resumed: 'the same as file_started, and bytes: it goes on there, the connection or the receiver was lost before',
  file_sent: 'the same as file_started, and kept_as (the name at the receiver), sha256, ms',
  file_received: 'the same, and path; was_there if the same file of a folder was there before',
  file_failed: 'the same as file_started, and code, message; part and bytes if it may go on from there',
  parts_found: 'folder, count, bytes, oldest_seconds: incomplete files that go on when they are sent again',
  parts_unknown: 'code, message: the folder could not be searched for them',
  parts_removed: 'folder, count, bytes: incomplete files that were too old',
} as const
