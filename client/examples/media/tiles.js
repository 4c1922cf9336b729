/** What is on the screen of each person: a tile with the picture, the name and how it stands. Nothing here knows of Parley. */

const tiles = new Map()
const list = document.querySelector('#tiles')
const unheard = document.querySelector('#unheard')

/** The tile of that name, made if there is none yet. */
export function tileOf(name) {
  const known = tiles.get(name)
  if (known) return known
  const tile = document.querySelector('#tile').content.cloneNode(true).firstElementChild
  const video = document.createElement('video')
  // iPhones would show it on the whole screen.
  video.playsInline = true
  video.srcObject = new MediaStream()
  video.setAttribute('aria-label', `Picture of ${name}`)
  tile.prepend(video)
  tile.querySelector('.name').textContent = name
  tile.dataset.peer = name
  tiles.set(name, tile)
  list.append(tile)
  return tile
}

export function removeTile(name) {
  tiles.get(name)?.remove()
  tiles.delete(name)
}

export function forgetTiles() {
  for (const name of [...tiles.keys()]) removeTile(name)
}

/** Plays these tracks on a tile, and no others. */
export function play(tile, tracks) {
  const video = tile.querySelector('video')
  const stream = video.srcObject
  for (const track of stream.getTracks()) if (!tracks.includes(track)) stream.removeTrack(track)
  for (const track of tracks) stream.addTrack(track)
  tile.classList.toggle('dark', !tracks.some(({ kind }) => kind === 'video'))
  if (tracks.length > 0) start(video)
}

/** Browsers play no sound before somebody has clicked on the page. */
async function start(video) {
  try {
    await video.play()
  } catch (error) {
    // Others are no refusals: something else is played by now.
    if (error.name === 'NotAllowedError') unheard.hidden = false
  }
}

unheard.addEventListener('click', () => {
  unheard.hidden = true
  for (const tile of tiles.values()) start(tile.querySelector('video'))
})
