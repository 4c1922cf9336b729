// Paste it into the console of a page of Chromium. It tells what becomes of a connection after a rollback.
async function rollBack() {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()]
  const track = () => document.createElement('canvas').captureStream().getTracks()[0]
  a.createDataChannel('x')
  await a.setLocalDescription()
  await b.setRemoteDescription(a.localDescription)
  await b.setLocalDescription()
  await a.setRemoteDescription(b.localDescription)
  a.addTrack(track())
  b.addTrack(track())
  await a.setLocalDescription()
  await b.setLocalDescription()
  // Header extensions with other numbers, as Firefox has them.
  const sdp = b.localDescription.sdp.replace(/^a=extmap:(\d+)/gm, (_, id) => `a=extmap:${15 - Number(id)}`)
  const attempt = (name, act) =>
    act().then(
      () => console.log(`${name}: done`),
      error => console.log(`${name}: ${error.message}`),
    )
  await attempt('rollback', () => a.setLocalDescription({ type: 'rollback' }))
  await attempt('offer of the other side', () => a.setRemoteDescription({ type: 'offer', sdp }))
  await attempt('own offer', () => a.setLocalDescription())
  await attempt('rollback', () => a.setLocalDescription({ type: 'rollback' }))
  await attempt('the same offer, new connection', () =>
    new RTCPeerConnection().setRemoteDescription({ type: 'offer', sdp }),
  )
}

rollBack()
