import { Parley } from '@parley/client'
import { onFile, sendFile } from '@parley/client/files'
import { cardOf, forgetCards, hasFiles, removeCard, showLine, showTransfer } from './cards.js'

const entry = document.querySelector('#entry')
const place = document.querySelector('#room')
const trouble = document.querySelector('#trouble')
const state = document.querySelector('#state')
const link = document.querySelector('#link')

/** The room that this page is in. */
let room

// ---------------------------------------------------------------- entering

/** Room, token and server are behind the #, which browsers keep to themselves: no web server ever sees the token. */
const linkTo = session => {
  const url = new URL(location.href)
  url.hash = new URLSearchParams(session)
  return url.href
}

/** Reads such a link, or the line that `parley worker` prints: http://HOST:8001#ROOM/TOKEN/PEER, perhaps /WS behind it. */
function sessionIn(text) {
  const [before, hash = ''] = text.split('#')
  const named = Object.fromEntries(new URLSearchParams(hash))
  if (named.room && named.token) return named
  const [room, token, , ws] = hash.split('/').map(decodeURIComponent)
  return room && token ? { server: before, room, token, ...(ws && { ws }) } : undefined
}

/** Enters the room of the link, or a new one. */
async function enter({ peerId, invitation, server, ws }) {
  const invited = sessionIn(invitation)
  if (invitation && !invited) throw new Error('This is not the link of a room.')
  const where = invited ? { server: invited.server, ws: invited.ws } : { server, ws }
  // The SDK keeps the identity of this tab. So a page that was loaded again has its name back at once.
  const parley = new Parley(where.server, { ...(where.ws && { wsUrl: where.ws }) })
  const { roomId, token } = invited ? { roomId: invited.room, token: invited.token } : await parley.createRoom()
  const joined = await parley.join({ roomId, token, peerId })

  link.value = linkTo({ server: where.server, ...(where.ws && { ws: where.ws }), room: roomId, token })
  history.replaceState(null, '', link.value)
  return joined
}

entry.addEventListener('submit', async event => {
  event.preventDefault()
  const button = entry.querySelector('.primary')
  const fields = Object.fromEntries(new FormData(entry))
  sessionStorage.setItem('peerId', fields.peerId)
  trouble.textContent = ''
  // Else an impatient second click would enter twice.
  button.disabled = true
  try {
    follow(await enter(fields))
  } catch (error) {
    // Whatever the SDK throws has a sentence for people in it.
    trouble.textContent = error.message
  } finally {
    button.disabled = false
  }
})

// -------------------------------------------------------------- in the room

function follow(joined) {
  room = joined
  entry.hidden = true
  place.hidden = false
  room.on('state', showState)
  room.on('peerJoined', ({ id }) => showPeer(id))
  room.on('peerLeft', id => showPeer(id))
  // Somebody has connected to this page. Channels are listened to before anything is awaited, so that none is missed.
  room.on('connection', connection => {
    watch(connection)
    showPeer(connection.peerId)
  })
  onFile(room, offer)
  showState(room.state)
  // Those who were there before.
  for (const id of room.peers.keys()) showPeer(id)
}

function showState({ status, retryAt, error }) {
  const sentences = {
    connected: 'The server is there.',
    // What is connected stays so: data channels do not depend on the server.
    reconnecting: `The server is away; next attempt at ${new Date(retryAt).toLocaleTimeString()}.`,
    closed: error ? error.message : 'You have left.',
  }
  state.textContent = sentences[status]
  state.className = status === 'connected' ? 'good' : 'bad'
}

const statuses = {
  connecting: 'connecting…',
  connected: 'connected',
  interrupted: 'interrupted, looking for a way…',
  closed: 'not connected',
}

/** Shows how it stands with a peer. One that the server has lost sight of may be connected still. */
function showPeer(peerId) {
  const connection = room.connection(peerId)
  document.querySelector('#alone').hidden = room.peers.size > 0 || connection !== undefined
  const isHere = connection !== undefined || room.peers.has(peerId)
  // The files that it has sent are this person's by now.
  if (!isHere && !hasFiles(peerId)) return removeCard(peerId)
  const { card, isNew } = cardOf(peerId)
  if (isNew) equip(card, peerId)
  const status = connection?.status ?? 'closed'
  const isThere = status === 'connected' || status === 'interrupted'
  card.querySelector('.status').textContent = isHere ? statuses[status] : 'has left'
  card.querySelector('.status').classList.toggle('good', status === 'connected')
  card.querySelector('.connect').hidden = status !== 'closed' || !isHere
  card.querySelector('.close').hidden = status === 'closed'
  card.querySelector('.say').hidden = !isThere
}

/** Gives its buttons something to do. */
function equip(card, peerId) {
  const said = card.querySelector('.say input')
  card.querySelector('.connect').addEventListener('click', () => connect(peerId))
  card.querySelector('.close').addEventListener('click', () => room.connection(peerId)?.close())
  card.querySelector('.say').addEventListener('submit', event => {
    event.preventDefault()
    say(peerId, said.value)
    said.value = ''
  })
  card.querySelector('.file input').addEventListener('change', ({ target }) => {
    for (const file of target.files) send(peerId, file)
    // Else choosing the same file again would be no change.
    target.value = ''
  })
}

// ----------------------------------------------------------- from peer to peer

/** Connections that are listened to: `connect` may give one that is there already. */
const watched = new WeakSet()

function watch(connection) {
  if (watched.has(connection)) return
  watched.add(connection)
  const { peerId } = connection
  connection.on('status', status => {
    if (status === 'closed' && connection.error) showLine(peerId, connection.error.message)
    showPeer(peerId)
  })
  connection.on('channel', channel => {
    if (channel.label === 'chat') listen(connection, channel)
  })
}

async function connect(peerId) {
  try {
    const connecting = room.connect(peerId)
    showPeer(peerId)
    watch(await connecting)
  } catch (error) {
    showLine(peerId, error.message)
  }
  showPeer(peerId)
}

/** The channels for text, by connection, as promises: two texts in a row shall not open two of them. */
const chats = new WeakMap()

/** Either side may have opened it; what arrives is shown in any case. */
function listen(connection, channel) {
  chats.set(connection, Promise.resolve(channel))
  channel.addEventListener('message', ({ data }) => showLine(connection.peerId, data, 'said'))
  return channel
}

async function say(peerId, text) {
  try {
    const connection = await room.connect(peerId)
    if (!chats.has(connection)) {
      chats.set(
        connection,
        connection.open('chat').then(channel => listen(connection, channel)),
      )
    }
    const channel = await chats.get(connection)
    channel.send(text)
    showLine(peerId, text, 'said', 'mine')
  } catch (error) {
    showLine(peerId, `Not sent: ${error.message}`)
  }
}

// -------------------------------------------------------------------- files

async function send(peerId, file) {
  const cancel = new AbortController()
  const transfer = showTransfer(peerId, file, 'mine')
  transfer.choose({ Cancel: () => cancel.abort() })
  try {
    await sendFile(room, peerId, file, { signal: cancel.signal, onProgress: transfer.progress })
    transfer.end('sent')
  } catch (error) {
    transfer.end(error.message)
  }
}

/** Somebody wants to send a file. Nothing of it is on its way before somebody here has said yes. */
function offer(file) {
  const transfer = showTransfer(file.peerId, file)
  transfer.choose({ Accept: () => take(file, transfer), Decline: () => file.decline() })
  file.signal.addEventListener('abort', () => transfer.end(file.signal.reason.message))
}

async function take(file, transfer) {
  const cancel = new AbortController()
  transfer.choose({ Cancel: () => cancel.abort() })
  try {
    // Into memory, or what the browser takes for it. With showSaveFilePicker, which not all browsers have, it could go
    // to the disk at once: file.save(handle.createWritable()).
    const blob = await file.blob({ signal: cancel.signal, onProgress: transfer.progress })
    transfer.keep(blob, file.name)
  } catch (error) {
    transfer.end(error.message)
  }
}

// ------------------------------------------------------------------- leaving

document.querySelector('#leave').addEventListener('click', () => {
  room.leave()
  forgetCards()
  // To come back.
  entry.elements.invitation.value = link.value
  place.hidden = true
  entry.hidden = false
})

document.querySelector('#copy').addEventListener('click', async ({ target }) => {
  link.select()
  // Pages that have come over http from another machine have no clipboard.
  if (!navigator.clipboard) return
  await navigator.clipboard.writeText(link.value)
  target.textContent = 'Copied'
})

// The others see at once that this page is gone, instead of when the server misses it. A browser may show the page
// again as it was, with a room that was left: then it begins again.
addEventListener('pagehide', () => room?.leave())
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())
addEventListener('hashchange', () => location.reload())

entry.elements.peerId.value = sessionStorage.getItem('peerId') ?? ''
entry.elements.server.value = 'http://localhost:8001'
if (sessionIn(location.hash)) entry.elements.invitation.value = location.href
