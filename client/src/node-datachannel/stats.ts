import type { NativeCandidateInfo, NativePeerConnection } from './library.ts'

/** The transport, and, once there is one, the pair of candidates in use. Times and units are those of W3C's statistics. */
export function statsReport(native: NativePeerConnection | undefined): RTCStatsReport {
  const timestamp = Date.now()
  const report = new Map<string, RTCStats & Record<string, unknown>>()
  const add = (id: string, type: RTCStatsType, members: object) => report.set(id, { id, type, timestamp, ...members })
  const traffic = { bytesSent: native?.bytesSent() ?? 0, bytesReceived: native?.bytesReceived() ?? 0 }
  const pair = native?.getSelectedCandidatePair()
  add('transport', 'transport', { ...traffic, ...(pair && { selectedCandidatePairId: 'pair' }) })
  if (native && pair) {
    const milliseconds = native.rtt()
    add('pair', 'candidate-pair', {
      ...traffic,
      transportId: 'transport',
      localCandidateId: 'local',
      remoteCandidateId: 'remote',
      state: 'succeeded',
      nominated: true,
      ...(milliseconds >= 0 && { currentRoundTripTime: milliseconds / 1000 }),
    })
    add('local', 'local-candidate', candidate(pair.local))
    add('remote', 'remote-candidate', candidate(pair.remote))
  }
  return report
}

const candidate = ({ address, port, type, transportType, priority }: NativeCandidateInfo) => ({
  transportId: 'transport',
  address,
  port,
  candidateType: type,
  protocol: transportType.toLowerCase().startsWith('tcp') ? 'tcp' : 'udp',
  priority,
})
