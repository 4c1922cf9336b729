export type SdpOrNull = RTCSessionDescriptionInit | null

/** What ICE calls itself in a description, something else after each restart (RFC 8839 section 5.4). */
export const ufrag = ({ sdp = '' }: RTCSessionDescriptionInit): string | undefined =>
  /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1]

/** That of the certificate in an SDP, which each `RTCPeerConnection` has its own of (RFC 8122 section 5). */
export const fingerprint = (sdp: unknown): string | undefined =>
  typeof sdp === 'string' ? /^a=fingerprint:(.*)$/m.exec(sdp)?.[1] : undefined

/** Whether Firefox has written a description: it says so in the origin (RFC 8866 section 5.2). */
export const isOfFirefox = (description: SdpOrNull): boolean => /^o=mozilla/m.test(description?.sdp ?? '')
