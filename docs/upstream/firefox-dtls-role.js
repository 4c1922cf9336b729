// Paste it into the console of a page of Firefox. It tells how the passive side answers an ICE restart of the other side.
async function roles() {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()]
  a.onicecandidate = ({ candidate }) => b.addIceCandidate(candidate)
  b.onicecandidate = ({ candidate }) => a.addIceCandidate(candidate)
  const setup = ({ sdp }) => /^a=setup:(.*)$/m.exec(sdp)[1].trim()
  const channel = a.createDataChannel('x')
  await a.setLocalDescription()
  await b.setRemoteDescription(a.localDescription)
  await b.setLocalDescription()
  await a.setRemoteDescription(b.localDescription)
  const first = setup(b.localDescription)
  await new Promise(resolve => {
    channel.onopen = resolve
  })
  b.restartIce()
  await b.setLocalDescription()
  await a.setRemoteDescription(b.localDescription)
  await a.setLocalDescription()
  return `b was ${first}; a answers the restart of b as ${setup(a.localDescription)}`
}

roles().then(console.log)
