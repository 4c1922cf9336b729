import type { ConnectionParts } from './connection-types.ts'
import { isOfFirefox, type SdpOrNull } from './sdp.ts'

/** Whether the WebRTC of this side can restart ICE: libdatachannel cannot. */
export const canRestartIce = (pc: RTCPeerConnection): boolean => typeof pc.restartIce === 'function'

/**
 * Whether this side is the one of the two that restarts ICE. Between Chromium and Firefox, Firefox. If Chromium restarts ICE,
 * its new ports find Firefox's old ones, and it may stay with them: then what it sends is lost, and both say that they are
 * connected. It also refuses the answer, if Firefox has made the first offer, as that changes the DTLS role. Otherwise the
 * side that made the first offer, by which the roles stay.
 * @param theirs as it came: Chromium's `remoteDescription` does not say who has written it
 */
export const restartsIce = (ours: SdpOrNull, theirs: SdpOrNull, isFirst: boolean): boolean =>
  isOfFirefox(ours) === isOfFirefox(theirs) ? isFirst : isOfFirefox(ours)

/**
 * Milliseconds from one restart to the next. Between Chromium and Firefox one that comes while the last has not settled may
 * leave a connection on which nothing arrives.
 */
const pause = 3_000

/** Restarts ICE with fresh TURN credentials, once at a time. */
export class IceRestart {
  #isUnderWay = false
  /** When the last one has settled, in milliseconds since the epoch. */
  #settledAt = 0

  constructor(
    private readonly pc: RTCPeerConnection,
    private readonly parts: ConnectionParts,
  ) {}

  /** Has another offer be needed: the current one has to be answered before, if there is one. */
  async begin(): Promise<void> {
    if (this.#isUnderWay) return
    this.#isUnderWay = true
    const { clock } = this.parts
    const wait = this.#settledAt - clock.now()
    if (wait > 0) await new Promise<void>(resolve => clock.after(wait, resolve))
    await this.refresh()
    if (this.pc.signalingState !== 'closed') this.pc.restartIce()
  }

  /** An offer of this side has been answered, or was given up. */
  end(): void {
    if (this.#isUnderWay) this.#settledAt = this.parts.clock.now() + pause
    this.#isUnderWay = false
  }

  /** Gets TURN credentials for the candidates that are gathered from now on. Never rejects. */
  async refresh(): Promise<void> {
    const { refresh, configuration } = this.parts
    try {
      // By the first try it may only be found that the connection to the server is dead.
      await refresh().catch(refresh)
      this.pc.setConfiguration(configuration())
    } catch {
      // What it has may do.
    }
  }
}
