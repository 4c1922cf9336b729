import { Parley } from '@parley/client'
import { receive, send } from './call.js'
import { OwnMedia } from './own-media.js'
import { forgetTiles, play, removeTile, tileOf } from './tiles.js'

const find = selector => document.querySelector(selector)
const entry = find('#entry')
const news = find('#news')

const media = new OwnMedia(showOwn, tell)

/** Shows a sentence below the last ones. */
function tell(sentence) {
  const line = document.createElement('p')
  line.textContent = sentence
  news.append(line)
  if (news.childElementCount > 3) news.firstElementChild.remove()
}

/** The room that this page is in. */
let room

// ---------------------------------------------------------------- entering

/** Room, token and server are behind the #, which browsers keep to themselves: no web server ever sees the token. */
const invitation = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))

async function enter({ peerId, server, ws }) {
  const parley = new Parley(server, { ...(ws && { wsUrl: ws }) })
  const { roomId, token } = invitation.room
    ? { roomId: invitation.room, token: invitation.token }
    : await parley.createRoom()
  const joined = await parley.join({ roomId, token, peerId, metadata: { muted: media.isMuted } })
  const url = new URL(location.href)
  url.hash = new URLSearchParams({ server, ...(ws && { ws }), room: roomId, token })
  find('#link').value = url.href
  history.replaceState(null, '', url)
  return joined
}

entry.addEventListener('submit', async event => {
  event.preventDefault()
  const button = entry.querySelector('.primary')
  news.replaceChildren()
  // Else an impatient second click would enter twice.
  button.disabled = true
  try {
    // Before you enter, so that the others need not wait for your answer. You may enter without a camera, too.
    await media.start()
    follow(await enter(Object.fromEntries(new FormData(entry))))
  } catch (error) {
    media.stop()
    // Whatever the SDK throws has a sentence for people in it.
    tell(error.message)
  } finally {
    button.disabled = false
  }
})

// -------------------------------------------------------------- in the room

function follow(joined) {
  room = joined
  entry.hidden = true
  find('#room').hidden = false
  room.on('state', showState)
  room.on('peerJoined', ({ id }) => meet(id))
  room.on('peerLeft', id => showPeer(id))
  room.on('peerUpdated', ({ id }) => showPeer(id))
  room.on('connection', connection => watch(connection))
  showState(room.state)
  showOwn()
  for (const id of room.peers.keys()) meet(id)
}

function showState({ status, retryAt, error }) {
  const sentences = {
    connected: 'The server is there.',
    // Pictures and sound do not depend on the server.
    reconnecting: `The server is away; next attempt at ${new Date(retryAt).toLocaleTimeString()}.`,
    closed: error ? error.message : 'You have left.',
  }
  find('#state').textContent = sentences[status]
}

/** Of two people, one calls. If both did, the SDK would make one connection of the two calls, with more work. */
function meet(peerId) {
  if (room.peerId < peerId) call(peerId)
  else showPeer(peerId)
}

async function call(peerId) {
  try {
    const connecting = room.connect(peerId)
    showPeer(peerId, '')
    watch(await connecting)
  } catch (error) {
    showPeer(peerId, error.message)
  }
}

/** Connections that are not closed, and are listened to: `connect` may give one that is there already. */
const watched = new Set()

/** Sends and plays on a connection, from whichever side it was begun. */
async function watch(connection) {
  if (watched.has(connection)) return
  watched.add(connection)
  const { peerId } = connection
  connection.on('negotiationFailed', error => showPeer(peerId, error.message))
  connection.on('status', status => {
    if (status === 'closed') watched.delete(connection)
    showPeer(peerId, connection.error?.message ?? '')
    // Lost, although nobody wanted that. What was sent over it has to be sent over the next one: `watch` does that.
    if (status === 'closed' && connection.error?.retryable && room.peers.has(peerId)) meet(peerId)
  })
  showPeer(peerId, '')
  try {
    // Before that, `pc` may be replaced by another one.
    await connection.ready
    receive(connection, tracks => play(tileOf(peerId), tracks))
    await send(connection, media.stream)
  } catch (error) {
    showPeer(peerId, error.message)
  }
}

const statuses = {
  connecting: 'connecting…',
  connected: '',
  interrupted: 'interrupted, looking for a way…',
  closed: 'not connected',
}

/**
 * Shows how it stands with somebody. One that the server has lost sight of may be connected still.
 * @param trouble a sentence that is to be shown from now on
 */
function showPeer(peerId, trouble) {
  if (find('#room').hidden) return
  const connection = room.connection(peerId)
  const peer = room.peers.get(peerId)
  if (!connection && !peer) removeTile(peerId)
  else {
    const tile = tileOf(peerId)
    const status = connection?.status ?? 'closed'
    tile.querySelector('.status').textContent = [statuses[status], peer?.metadata.muted && 'muted']
      .filter(Boolean)
      .join(', ')
    if (trouble !== undefined) tile.querySelector('.trouble').textContent = trouble
    tile.querySelector('.call').hidden = status !== 'closed'
    tile.querySelector('.call').onclick = () => call(peerId)
    if (status === 'closed') play(tile, [])
  }
  find('#alone').hidden = room.peers.size > 0 || connection !== undefined
}

// -------------------------------------------------------- camera, microphone, screen

/** Something of one's own is different: shows that, and sends it to everybody. */
async function showOwn() {
  // Not in the room yet, or not any more.
  if (find('#room').hidden) return
  const tile = tileOf(`${room.peerId} (you)`)
  tile.querySelector('.call').hidden = true
  // Your own voice from the loudspeaker would be sent again.
  tile.querySelector('video').muted = true
  tile.classList.toggle('mirrored', !media.isSharing)
  play(tile, media.stream.getTracks())
  press('#mute', media.isMuted || media.device('audio') === undefined)
  press('#dark', media.device('video') === undefined)
  press('#share', media.isSharing)
  for (const connection of watched) {
    // One that is not ready yet is sent all of it when it is.
    if (connection.status !== 'connecting') send(connection, media.stream).catch(error => tell(error.message))
  }
  await showDevices()
}

function press(button, isPressed) {
  find(button).setAttribute('aria-pressed', isPressed)
}

async function showDevices() {
  // Only pages that a browser trusts have any.
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? []
  for (const kind of ['audio', 'video']) {
    const select = find(`#${kind}`)
    const options = devices
      .filter(device => device.kind === `${kind}input`)
      .map(({ deviceId, label }, index) => new Option(label || `Device ${index + 1}`, deviceId))
    select.replaceChildren(...options)
    select.value = media.device(kind) ?? ''
  }
}

find('#mute').addEventListener('click', async () => {
  if (media.device('audio') === undefined) await media.open('audio')
  else media.mute(!media.isMuted)
  // The sound itself says nothing of that.
  room.updateMetadata({ muted: media.isMuted }).catch(error => tell(error.message))
})
find('#dark').addEventListener('click', () => {
  if (media.device('video') === undefined) media.open('video')
  else media.close('video')
})
find('#share').addEventListener('click', () => (media.isSharing ? media.unshare() : media.share()))
for (const kind of ['audio', 'video']) {
  find(`#${kind}`).addEventListener('change', ({ target }) => media.open(kind, target.value))
}
// Phones have no such thing.
find('#share').hidden = !navigator.mediaDevices?.getDisplayMedia

// ------------------------------------------------------------------- leaving

find('#leave').addEventListener('click', () => {
  room.leave()
  // The light of the camera goes out.
  media.stop()
  forgetTiles()
  // To come back.
  Object.assign(invitation, Object.fromEntries(new URLSearchParams(location.hash.slice(1))))
  news.replaceChildren()
  find('#room').hidden = true
  entry.hidden = false
})

// The others see at once that this page is gone. A browser may show it again as it was, with a room that was left: then
// it begins again.
addEventListener('pagehide', () => room?.leave())
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())
addEventListener('hashchange', () => location.reload())

entry.elements.server.value = invitation.server ?? 'http://localhost:8001'
entry.elements.ws.value = invitation.ws ?? ''
