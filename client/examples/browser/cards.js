/** What is on the screen of each peer: a card with its state, what was said, and files. Nothing here knows of Parley. */

const cards = new Map()
const list = document.querySelector('#peers')

const copyOf = id => document.querySelector(id).content.cloneNode(true).firstElementChild

export function cardOf(peerId) {
  const known = cards.get(peerId)
  if (known) return { card: known, isNew: false }
  const card = copyOf('#peer')
  card.querySelector('h3').textContent = peerId
  card.querySelector('.log').setAttribute('aria-label', `Conversation with ${peerId}`)
  card.querySelector('.say input').setAttribute('aria-label', `Text for ${peerId}`)
  card.dataset.peer = peerId
  cards.set(peerId, card)
  list.append(card)
  return { card, isNew: true }
}

/** Whether it has files that were received. */
export const hasFiles = peerId => cards.get(peerId)?.querySelector('.outcome a') != null

export function removeCard(peerId) {
  cards.get(peerId)?.remove()
  cards.delete(peerId)
}

export function forgetCards() {
  for (const peerId of [...cards.keys()]) removeCard(peerId)
}

/** Whatever others say is shown as text, and never as HTML. */
export function showLine(peerId, text, ...classes) {
  const line = document.createElement('li')
  line.className = classes.join(' ') || 'news'
  line.textContent = text
  append(peerId, line)
}

function append(peerId, line) {
  const log = cards.get(peerId)?.querySelector('.log')
  if (!log) return
  log.hidden = false
  log.append(line)
  log.scrollTop = log.scrollHeight
}

const units = ['B', 'KB', 'MB', 'GB', 'TB']

function inWords(bytes) {
  const unit = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1)
  return `${(bytes / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}

/** A file on its way, in either direction. */
export function showTransfer(peerId, { name, size }, ...classes) {
  const line = copyOf('#transfer')
  line.classList.add(...classes)
  const bar = line.querySelector('progress')
  const outcome = line.querySelector('.outcome')
  const choices = line.querySelector('.choices')
  line.querySelector('.what').textContent = `${name} (${inWords(size)})`
  bar.setAttribute('aria-label', `Progress of ${name}`)
  append(peerId, line)

  const end = text => {
    bar.hidden = true
    choices.replaceChildren()
    outcome.textContent = text
  }
  return {
    /** Buttons, by what is on them. */
    choose(acts) {
      choices.replaceChildren(
        ...Object.entries(acts).map(([text, act]) => {
          const button = document.createElement('button')
          button.type = 'button'
          button.textContent = text
          button.addEventListener('click', act)
          return button
        }),
      )
    },
    progress({ status, bytes }) {
      bar.hidden = false
      bar.value = size === 0 ? 1 : bytes / size
      outcome.textContent = status === 'transferring' ? '' : `${status}…`
    },
    end,
    /** A link, as a browser asks before a page saves several files. With `download` it is never shown as a page. */
    keep(blob, name) {
      end('')
      const link = document.createElement('a')
      link.href = URL.createObjectURL(blob)
      link.download = name
      link.textContent = `Save ${name}`
      outcome.append(link)
    },
  }
}
