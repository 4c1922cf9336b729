import { gateId } from './gated-peer.ts'
import type { NativeDataChannelInit } from './library.ts'

const longest = 65_535

/** How a channel is to be, in the words of the library. @throws TypeError, DOMException as `createDataChannel` does */
export function nativeChannelInit(label: string, init: RTCDataChannelInit): NativeDataChannelInit {
  const { ordered = true, protocol = '', negotiated = false, id, maxPacketLifeTime, maxRetransmits } = init
  for (const text of [label, protocol]) {
    if (new TextEncoder().encode(text).length > longest) {
      throw new TypeError(`A label or protocol has at most ${longest} bytes.`)
    }
  }
  if (maxPacketLifeTime !== undefined && maxRetransmits !== undefined) {
    throw new TypeError('A data channel has maxPacketLifeTime or maxRetransmits, not both.')
  }
  if (negotiated && id === undefined) throw new TypeError('A negotiated data channel needs an id.')
  if (negotiated && !isBelow(longest, id)) throw new TypeError(`An id is a whole number below ${longest}.`)
  if (negotiated && id === gateId) throw new DOMException(`The id ${gateId} is reserved.`, 'OperationError')
  for (const limit of [maxPacketLifeTime, maxRetransmits]) {
    if (limit !== undefined && !isBelow(longest + 1, limit)) {
      throw new TypeError(`maxPacketLifeTime and maxRetransmits are whole numbers up to ${longest}.`)
    }
  }
  return {
    protocol,
    unordered: !ordered,
    ...(negotiated && id !== undefined && { negotiated: true, id }),
    ...(maxPacketLifeTime !== undefined && { maxPacketLifeTime }),
    ...(maxRetransmits !== undefined && { maxRetransmits }),
  }
}

const isBelow = (limit: number, value: number | undefined): boolean =>
  value !== undefined && Number.isInteger(value) && value >= 0 && value < limit
