/** The part of `RTCIceCandidate` that is signaled. */
export interface LocalCandidate {
  readonly candidate: string
  readonly sdpMid: string
  readonly sdpMLineIndex: number
  readonly usernameFragment: string | null
  toJSON(): RTCIceCandidateInit
}

/** The candidates of this side. Each is told once, and null when all have been told, in whatever order the library tells. */
export class LocalCandidates {
  readonly #told = new Set<string>()

  constructor(private readonly tell: (candidate: LocalCandidate | null) => void) {}

  /** @param line as it is in the SDP @param sdp the local description */
  found(line: string, sdpMid: string, sdp: string): void {
    const candidate = line.replace(/^a=/, '')
    if (this.#told.has(candidate)) return
    this.#told.add(candidate)
    const usernameFragment = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? null
    // The candidates of a bundle are those of its first section.
    const init = { candidate, sdpMid, sdpMLineIndex: 0, usernameFragment }
    this.tell({ ...init, toJSON: () => ({ ...init }) })
  }

  /** All have been found; some may not have been told yet, but are in the local description. */
  complete(sdp: string, tellState: () => void): void {
    const sdpMid = /^a=mid:(\S+)/m.exec(sdp)?.[1] ?? '0'
    for (const [line] of sdp.matchAll(/^a=candidate:.*\S/gm)) this.found(line, sdpMid, sdp)
    tellState()
    this.tell(null)
  }
}
