/** Your own camera, microphone and screen. Nothing here knows of Parley. */

const names = { audio: 'microphone', video: 'camera' }

/** What each error of `getUserMedia` and `getDisplayMedia` means, for people. */
const sentences = {
  NotAllowedError: what => `This page may not use your ${what}. Allow it in the browser’s address bar, and try again.`,
  NotFoundError: what => `No ${what} was found. Plug one in, and try again.`,
  NotReadableError: what => `Your ${what} does not start. Another program may be using it: close that, and try again.`,
  OverconstrainedError: what => `The ${what} that you chose is not there any more.`,
  AbortError: what => `Your ${what} did not start. Try again.`,
  SecurityError: what => `The settings of this browser forbid the use of your ${what}.`,
  InsecureContext: what => `A browser gives your ${what} only to pages from https, or from localhost.`,
}

/** @param what camera, microphone or screen */
function sentenceOf(error, what) {
  // The person has cancelled the choice, and knows why.
  if (what === 'screen' && error.name === 'NotAllowedError') return 'The screen is not shared.'
  const name = isSecureContext ? error.name : 'InsecureContext'
  return sentences[name]?.(what) ?? `Your ${what} cannot be used: ${error.message}`
}

export class OwnMedia {
  /** What the others are to see and hear: the microphone, and the screen or else the camera. */
  stream = new MediaStream()
  isMuted = false
  /** The tracks that are live, by kind; undefined while a device is off. */
  #devices = {}
  #screen
  /** Counts what was asked for, by kind: what comes after something else was asked for is let go. */
  #turns = { audio: 0, video: 0, screen: 0 }
  #changed
  #tell

  /**
   * @param changed called when a device or the screen goes on or off, and when devices come or go
   * @param tell is given a sentence for people
   */
  constructor(changed, tell) {
    this.#changed = changed
    this.#tell = tell
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#compare())
  }

  /** Opens camera and microphone with one question to the person. If that fails, one of the two may still work. */
  async start() {
    const turns = { ...this.#turns }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted('audio'), video: wanted('video') })
      for (const track of stream.getTracks()) this.#take(track, turns[track.kind])
    } catch {
      for (const kind of ['audio', 'video']) await this.open(kind)
    }
  }

  /** The id of the device that is used; undefined if it is off. */
  device(kind) {
    return this.#devices[kind]?.getSettings().deviceId
  }

  get isSharing() {
    return this.#screen !== undefined
  }

  /**
   * Opens the camera or the microphone; if the one of that id is gone, another one. Resolves with whether that one is open; if
   * not, it has told why.
   */
  async open(kind, deviceId) {
    const turn = ++this.#turns[kind]
    // Many phones do not open a camera while another one is open.
    this.#devices[kind]?.stop()
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: wanted(kind, deviceId) })
      this.#take(stream.getTracks()[0], turn)
      return true
    } catch (error) {
      if (turn !== this.#turns[kind]) return false
      this.#set(kind, undefined)
      this.#tell(sentenceOf(error, names[kind]))
      if (deviceId !== undefined && error.name === 'OverconstrainedError') await this.#replace(kind)
      return false
    }
  }

  /** Turns it off, its light too. */
  close(kind) {
    this.#turns[kind]++
    this.#devices[kind]?.stop()
    this.#set(kind, undefined)
  }

  /** A muted microphone stays open, so that it is back at once. */
  mute(isMuted) {
    this.isMuted = isMuted
    if (this.#devices.audio) this.#devices.audio.enabled = !isMuted
    this.#changed()
  }

  /** Shows the screen, a window or a tab in place of the camera, as is chosen in the browser. */
  async share() {
    const turn = ++this.#turns.screen
    try {
      const [track] = (await navigator.mediaDevices.getDisplayMedia({ video: true })).getTracks()
      if (turn !== this.#turns.screen) return track.stop()
      // Letters are to be sharp, even if the picture moves less smoothly then.
      track.contentHint = 'detail'
      // The browser has a button of its own for that.
      track.addEventListener('ended', () => this.unshare())
      this.#screen = track
      this.#refresh()
    } catch (error) {
      this.#tell(sentenceOf(error, 'screen'))
    }
  }

  /** Shows the camera again, if it is on. */
  unshare() {
    this.#turns.screen++
    this.#screen?.stop()
    this.#screen = undefined
    this.#refresh()
  }

  /** Lets go of everything. */
  stop() {
    for (const kind of ['audio', 'video']) this.close(kind)
    this.unshare()
  }

  /** A device was given. */
  #take(track, turn) {
    if (turn !== this.#turns[track.kind]) return track.stop()
    track.enabled = track.kind === 'video' || !this.isMuted
    // Not after `stop()`: it was unplugged, or may not be used any more.
    track.addEventListener('ended', () => this.#lost(track))
    this.#set(track.kind, track)
  }

  #set(kind, track) {
    this.#devices[kind] = track
    this.#refresh()
  }

  #lost(track) {
    const { kind, label } = track
    if (this.#devices[kind] !== track) return
    this.#set(kind, undefined)
    this.#tell(`“${label}” is gone.`)
    this.#replace(kind)
  }

  /** Uses another device, if there is one. */
  async #replace(kind) {
    if (await this.open(kind)) this.#tell(`“${this.#devices[kind].label}” is used now.`)
  }

  /** Devices have come or gone. Not every browser ends the tracks of one that was unplugged. */
  async #compare() {
    const there = (await navigator.mediaDevices.enumerateDevices()).map(({ deviceId }) => deviceId)
    for (const [kind, track] of Object.entries(this.#devices)) {
      if (track && !there.includes(this.device(kind))) this.#lost(track)
    }
    this.#changed()
  }

  #refresh() {
    const tracks = [this.#devices.audio, this.#screen ?? this.#devices.video].filter(track => track !== undefined)
    for (const track of this.stream.getTracks()) if (!tracks.includes(track)) this.stream.removeTrack(track)
    for (const track of tracks) this.stream.addTrack(track)
    this.#changed()
  }
}

/**
 * What is asked of a device. `ideal` refuses none. The picture is small, since it is sent to each of the others on its own. Browsers
 * remove echo and noise by themselves.
 */
const wanted = (kind, deviceId) => ({
  ...(deviceId !== undefined && { deviceId: { exact: deviceId } }),
  ...(kind === 'video' && { width: { ideal: 640 }, height: { ideal: 360 } }),
})
