import type { Page } from './browsers.ts'

/** What a test does on a page of the example for audio and video, in whichever browser that is. */

declare global {
  interface Window {
    /** Those that the page has made. */
    peerConnections: RTCPeerConnection[]
    /** What is received of that peer of that kind, as of now; undefined if there is nothing yet. */
    received(peer: string, kind: 'audio' | 'video'): Promise<RTCInboundRtpStreamStats | undefined>
  }
}

/** To be run in a page before its own scripts: keeps what they make. */
export function keepConnections(): void {
  window.peerConnections = []
  const Native = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      window.peerConnections.push(this)
    }
  }
  window.received = async (peer, kind) => {
    const video = document.querySelector<HTMLVideoElement>(`[data-peer="${peer}"] video`)
    const stream = video?.srcObject
    const track = stream instanceof MediaStream ? stream.getTracks().find(track => track.kind === kind) : undefined
    const pc = window.peerConnections.find(pc => pc.getReceivers().some(receiver => receiver.track === track))
    if (!track || pc?.connectionState !== 'connected') return undefined
    return [...(await pc.getStats(track)).values()].find(({ type }) => type === 'inbound-rtp')
  }
}

/** Resolves when pictures of that peer arrive, are decoded, and are shown. */
export const sees = (page: Page, peer: string): Promise<void> =>
  page.evaluate(async peer => {
    const count = async () => (await window.received(peer, 'video'))?.framesDecoded
    const width = () => document.querySelector<HTMLVideoElement>(`[data-peer="${peer}"] video`)?.videoWidth
    const before = await count()
    for (;;) {
      const after = await count()
      if (width() && after !== undefined && after > (before ?? 0)) return
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }, peer)

/** Resolves when what has been heard of that peer for 0.7 s is sound, or is silence. */
export const hears = (page: Page, peer: string, what: 'sound' | 'silence'): Promise<void> =>
  page.evaluate(
    async ([peer, what]) => {
      const look = async () => {
        const stats = await window.received(peer, 'audio')
        return { seconds: stats?.totalSamplesDuration ?? 0, energy: stats?.totalAudioEnergy ?? 0 }
      }
      let before = await look()
      for (;;) {
        const after = await look()
        // That is longer than the pause between two beeps of a fake microphone.
        if (after.seconds >= before.seconds + 0.7) {
          const isSound = after.energy > before.energy + 0.0001
          if (isSound === (what === 'sound')) return
          before = after
        }
        if (after.seconds < before.seconds) before = after
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    },
    [peer, what] as const,
  )

/** Whether the middle of what is shown of that peer is red, and not the green of a fake camera. */
export const isRed = ([peer, wanted]: readonly [peer: string, wanted: boolean]): boolean => {
  const video = document.querySelector<HTMLVideoElement>(`[data-peer="${peer}"] video`)
  const context = new OffscreenCanvas(1, 1).getContext('2d')
  if (!video || !context) return false
  context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1)
  const [red = 0] = context.getImageData(0, 0, 1, 1).data
  return red > 200 === wanted
}
