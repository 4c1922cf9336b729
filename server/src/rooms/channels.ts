import { limits, SignalingError } from '@parley/protocol'
import { meet, noChannels, type Peer } from './room.ts'

/** Puts the peer into the channel; harmless if it is in it. @throws SignalingError FORBIDDEN or LIMIT_REACHED */
export function joinChannel(peer: Peer, channel: string): void {
  checkFree(peer)
  if (peer.channels.has(channel)) return
  if (peer.channels.size >= limits.channels) {
    throw new SignalingError('LIMIT_REACHED', `A peer may be in ${limits.channels} channels.`)
  }
  move(peer, new Set([...peer.channels, channel]))
}

/** Takes the peer out of the channel. @throws SignalingError FORBIDDEN or NOT_IN_CHANNEL */
export function leaveChannel(peer: Peer, channel: string): void {
  checkFree(peer)
  if (!peer.channels.has(channel)) throw new SignalingError('NOT_IN_CHANNEL')
  const rest = new Set(peer.channels)
  rest.delete(channel)
  move(peer, rest.size === 0 ? noChannels : rest)
}

function checkFree(peer: Peer): void {
  if (peer.invited?.channelsFixed)
    throw new SignalingError('FORBIDDEN', 'The invitation fixed the channels of this peer.')
}

/** Those that come into each other's sight see each other join, those that get out of it see each other leave. */
function move(peer: Peer, channels: ReadonlySet<string>): void {
  const { presence, peers } = peer.room
  const before = peer.channels
  peer.channels = channels
  const saw = (other: Peer) => meet(other.channels, before)
  const sees = (other: Peer) => meet(other.channels, channels)
  presence.announce({ kind: 'left', peer, reason: 'left' }, other => saw(other) && !sees(other))
  presence.announce({ kind: 'joined', peer }, other => sees(other) && !saw(other))
  if (!peer.features.has('presence')) return
  for (const other of peers.values()) {
    if (other === peer || saw(other) === sees(other)) continue
    presence.tell(peer, saw(other) ? { kind: 'left', peer: other, reason: 'left' } : { kind: 'joined', peer: other })
  }
}
