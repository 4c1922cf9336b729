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
