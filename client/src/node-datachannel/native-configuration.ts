import { nativeIceServers } from './ice-servers.ts'

/** The configuration as the library takes it. @throws TypeError, or what `nativeIceServers` throws, if it is none */
export function nativeConfiguration({ iceServers = [], iceTransportPolicy = 'all' }: RTCConfiguration) {
  const servers = nativeIceServers(iceServers)
  if (!['all', 'relay'].includes(iceTransportPolicy)) {
    throw new TypeError(`${iceTransportPolicy} is no policy for ICE transports.`)
  }
  return { iceServers: servers, iceTransportPolicy }
}
