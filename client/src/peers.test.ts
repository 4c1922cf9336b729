import { expect, test } from 'bun:test'
import type { LeaveReason, PeerDescription } from '@parley/protocol'
import { Roster } from './peers.ts'

const described = (peer_id: string, metadata = {}, connected_at = 1): PeerDescription => ({
  peer_id,
  role: 'peer',
  metadata,
  connected_at,
})

const joined = (peer_id: string) => ({ type: 'peer_joined', peer: described(peer_id) }) as const
const left = (peer_id: string, reason: LeaveReason) => ({ type: 'peer_left', peer_id, reason }) as const

function listen() {
  const events: string[] = []
  const roster: Roster = new Roster({
    joined: ({ id }) => events.push(`${id} joined, ${[...roster.peers.keys()]}`),
    left: (id, reason) => events.push(`${id} left: ${reason}, ${[...roster.peers.keys()]}`),
    updated: ({ id, metadata }) => events.push(`${id} updated: ${JSON.stringify(metadata)}`),
  })
  return { roster, events }
}

test('changes are told after they are made', () => {
  const { roster, events } = listen()
  roster.hear(joined('a'))
  roster.hear({ type: 'peer_updated', peer: described('a', { x: 1 }) })
  roster.hear(left('a', 'left'))
  roster.hear(left('a', 'left'))
  expect(events).toEqual(['a joined, a', 'a updated: {"x":1}', 'a left: left, '])
})

test('after an absence, what differs is told, and nothing else', () => {
  const { roster, events } = listen()
  for (const id of ['gone', 'same', 'changed']) roster.hear(joined(id))
  events.length = 0
  roster.reconcile([described('same'), described('changed', { x: 1 }), described('new')])
  expect(events).toEqual([
    'gone left: disconnected, same,changed',
    'changed updated: {"x":1}',
    'new joined, same,changed,new',
  ])
})

test('a peer that has left and come back during an absence is told to have done so', () => {
  const { roster, events } = listen()
  for (const id of ['same', 'again']) roster.hear(joined(id))
  events.length = 0
  roster.reconcile([described('same'), described('again', { x: 1 }, 2)])
  expect(events).toEqual(['again left: replaced, same', 'again joined, same,again'])
  expect(roster.peers.get('again')?.connectedAt).toBe(2)
})

test('the server says that a peer has left, or it is found by comparing', () => {
  const told: unknown[] = []
  const roster = new Roster({ joined() {}, left: (...event) => told.push(event), updated() {} })
  for (const id of ['told', 'absent', 'again']) roster.hear(joined(id))
  roster.hear(left('told', 'disconnected'))
  roster.reconcile([described('again', {}, 2)])
  expect(told).toEqual([
    ['told', 'disconnected', true],
    ['absent', 'disconnected', false],
    ['again', 'replaced', false],
  ])
})

test('a peer is found by another spelling of its name, and nobody else is', () => {
  const { roster } = listen()
  for (const id of ['Jose\u0301', 'Zo\u00eb', 'plain']) roster.hear(joined(id))
  expect(['Jos\u00e9', 'Zoe\u0308', 'plain', 'Jose', 'Zo\u00eb'].map(name => roster.idOf(name))).toEqual([
    'Jose\u0301',
    'Zo\u00eb',
    'plain',
    'Jose',
    'Zo\u00eb',
  ])
})
