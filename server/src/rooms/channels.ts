import { limits, SignalingError } from '@parley/protocol'
import { type Channels, noChannels, type Peer } from './room.ts'

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

function move(peer: Peer, channels: Channels): void {
  const before = peer.channels
  peer.channels = channels
  peer.room.presence.moved(peer, before)
}
