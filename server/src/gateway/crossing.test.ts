import { expect, test } from 'bun:test'
import { metricOf, type TestServer } from '../../test/harness.ts'
import { startNodes } from '../../test/two-servers.ts'

const all = ['acks', 'presence', 'resume', 'channels', 'token-refresh']

/** What differs between any two registrations. */
const masked = (text: string) =>
  text
    .replace(/"token":"[^"]*"/g, '"token":"…"')
    .replace(/"(expires_at|connected_at|credential|username)":("[^"]*"|[\d.]+)/g, '"$1":"…"')

test.each([{ features: undefined }, { features: all }])(
  'a peer that enters through another node is answered in the same words: %j',
  async ({ features }) => {
    await using nodes = await startNodes(2)
    const [owner, other] = nodes.nodes.map(({ server }) => server) as [TestServer, TestServer]
    const idToken = await owner.signIn()
    const room = await owner.createRoom(idToken)
    using _first = await owner.join(room, 'first')
    const replies: string[][] = []
    for (const server of [owner, other]) {
      const peer = await server.connect()
      peer.send({ type: 'register', peer_id: 'p', ...room, id_token: idToken, ...(features && { features }) })
      peer.send({ type: 'query' })
      peer.send({ type: 'nonsense' })
      peer.send('{')
      peer.send(new Uint8Array([0xff, 0xfe]))
      peer.send(Buffer.from('{"type":"query"}') as Uint8Array<ArrayBuffer>)
      const texts: string[] = []
      for (let i = 0; i < 6; i++) texts.push(masked(await peer.nextText()))
      replies.push(texts)
      peer.socket.close(1000)
      await peer.closed
    }
    const [here, there] = replies
    expect(there).toEqual(here ?? [])
    expect(here?.[0]).toContain('registered_auth')
    expect(await metricOf(owner, 'parley_peers')).toBe(1)
  },
)
