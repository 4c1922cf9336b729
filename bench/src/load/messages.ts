import type { Audience } from './audiences.ts'

/** Bytes of the two messages that the bench relays, as JSON in UTF-8. */
export const sizes = { offer: 2048, candidate: 200 } as const
export type Kind = keyof typeof sizes

/** A message from `sender` to `target` as a browser or aiortc would send it, of exactly `sizes[kind]` bytes. */
export function message(kind: Kind, sender: string, target: string): string {
  const make = kind === 'offer' ? offer : candidate
  const padding = sizes[kind] - make(sender, target, '').length
  if (padding < 0) throw new Error(`peer ids too long for a ${kind} of ${sizes[kind]} bytes`)
  return make(sender, target, 'x'.repeat(padding))
}

function offer(sender: string, target: string, padding: string): string {
  const candidates = Array.from(
    { length: 14 },
    (_, i) => `a=candidate:${1000 + i} 1 udp ${2130706431 - i} 192.168.${i}.17 ${50000 + i} typ host generation 0`,
  )
  const sdp = [
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'a=msid-semantic: WMS',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    ...candidates,
    'a=ice-ufrag:EsAw',
    'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${Array(32).fill('D2').join(':')}`,
    'a=setup:actpass',
    'a=mid:0',
    'a=sctp-port:5000',
    'a=max-message-size:262144',
    `a=x-padding:${padding}`,
    '',
  ].join('\r\n')
  return JSON.stringify({ type: 'offer', sender, target, sdp })
}

function candidate(sender: string, target: string, padding: string): string {
  const line = `candidate:842163049 1 udp 2122 192.168.1.17 51472 typ host ufrag ${padding}`
  return JSON.stringify({
    type: 'candidate',
    sender,
    target,
    candidate: { candidate: line, sdpMid: '0', sdpMLineIndex: 0 },
  })
}

/** A `broadcast`, and beside it the same for one peer by name. */
export const payloadTypes = ['peer_message', 'broadcast'] as const
export type PayloadType = (typeof payloadTypes)[number]

/** Bytes of those messages, as JSON in UTF-8. */
export const payloadSizes = [2048, 200] as const
export type PayloadSize = (typeof payloadSizes)[number]

/**
 * A message of exactly `bytes` bytes that tells how many jobs are doing, from the sender to all receivers or the first.
 * Its members are in the order in which Parley passes them on, so that every server delivers what it was sent.
 */
export function payloadMessage(type: PayloadType, bytes: PayloadSize, ids: Audience<string>): string {
  const target = type === 'peer_message' && { to_peer_id: ids.receivers[0] }
  const make = (jobs: number, note: string) =>
    JSON.stringify({ type, from_peer_id: ids.sender, ...target, payload: { jobs: jobReports(jobs), note } })
  let jobs = 0
  while (make(jobs + 1, '').length <= bytes) jobs++
  return make(jobs, 'x'.repeat(bytes - make(jobs, '').length))
}

const jobReports = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `job-${100 + i}`, state: 'running', step: 1200 + i, loss: 0.0312 }))
