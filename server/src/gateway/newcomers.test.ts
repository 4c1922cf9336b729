import { describe, expect, test } from 'bun:test'
import type { SignalingError } from '@parley/protocol'
import { recordingLog, startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { trustedProxies } from '../address.ts'
import { clientOf } from '../client.ts'
import { manualClock } from '../clock.ts'
import { createMetrics } from '../metrics.ts'
import { type Newcomer, Newcomers } from './newcomers.ts'

const ofServer = 'Too many connections to this server have not registered.'
const ofAddress = 'Too many connections from your network address have not registered.'

function door(unregistered: number, unregisteredPerAddress: number, registerWithin = 60_000) {
  const [clock, log, metrics] = [manualClock(), recordingLog(), createMetrics()]
  const limits = { unregistered, unregisteredPerAddress, registerWithin }
  const proxies = trustedProxies(['10.0.0.0/8'])
  const newcomers = new Newcomers({ limits, clock, log, metrics })
  const ended: Record<string, string> = {}
  const admit = (name: string, address: string) => {
    const newcomer: Newcomer = {
      client: clientOf(address, new Headers(), proxies),
      expectRegister: () => {
        ended[name] = 'time'
      },
      makeWay: (reason: SignalingError) => {
        ended[name] = `${reason.code} ${reason.message}`
      },
    }
    newcomers.admit(newcomer)
    return () => newcomers.leave(newcomer)
  }
  return { clock, log, metrics, newcomers, ended, admit }
}

describe('connections that have not registered', () => {
  test('are bounded per address, of IPv6 per /64, and the one that has waited longest makes way', () => {
    const { ended, admit, newcomers, metrics } = door(100, 2)
    for (const [name, address] of [
      ['a', '192.0.2.1'],
      ['b', '192.0.2.1'],
      ['c', '192.0.2.2'],
      ['d', '2001:db8:0:1::1'],
      ['e', '2001:db8:0:1:ffff::2'],
      ['f', '2001:db8:0:2::1'],
    ] as const) {
      admit(name, address)
    }
    expect(ended).toEqual({})
    admit('g', '192.0.2.1')
    admit('h', '2001:db8:0:1::3')
    expect(ended).toEqual({ a: `RATE_LIMITED ${ofAddress}`, d: `RATE_LIMITED ${ofAddress}` })
    expect([newcomers.count, metrics.newcomersClosed]).toEqual([6, { address: 2, server: 0, descriptors: 0 }])
  })

  test('make way once, though their connections may take a while to end', () => {
    const { ended, admit, newcomers, metrics, clock } = door(1, 1)
    admit('a', '192.0.2.1')
    const leave = admit('b', '192.0.2.2')
    expect(ended).toEqual({ a: `RATE_LIMITED ${ofServer}` })
    clock.advance(10_000)
    expect([newcomers.count, metrics.newcomersClosed.server]).toEqual([1, 1])
    leave()
    clock.advance(60_000)
    expect([newcomers.count, Object.keys(ended)]).toEqual([0, ['a']])
  })

  test('are bounded in all', () => {
    const { ended, admit, newcomers, metrics } = door(3, 2)
    for (let i = 0; i < 5; i++) admit(String(i), `192.0.2.${i}`)
    expect(ended).toEqual({ 0: `RATE_LIMITED ${ofServer}`, 1: `RATE_LIMITED ${ofServer}` })
    expect([newcomers.count, metrics.newcomersClosed]).toEqual([3, { address: 0, server: 2, descriptors: 0 }])
  })

  test('count no more once they have registered or ended', () => {
    const { ended, admit, newcomers, clock } = door(2, 2)
    for (let i = 0; i < 10; i++) admit(String(i), '192.0.2.1')()
    admit('last', '192.0.2.1')
    expect([ended, newcomers.count]).toEqual([{}, 1])
    clock.advance(60_000)
    expect(ended).toEqual({ last: 'time' })
  })

  test('of a trusted proxy that does not say whom they come from count in all only', () => {
    const { ended, admit } = door(4, 1)
    for (const name of ['a', 'b', 'c', 'd']) admit(name, '10.0.0.7')
    expect(ended).toEqual({})
    admit('e', '10.0.0.7')
    expect(ended).toEqual({ a: `RATE_LIMITED ${ofServer}` })
  })

  test('that wait for longer than a program needs may be a tenth as many', () => {
    const { ended, admit, newcomers, clock } = door(30, 20)
    for (let i = 0; i < 20; i++) admit(`old ${i}`, '192.0.2.1')
    clock.advance(9_999)
    expect(ended).toEqual({})
    admit('typist', '192.0.2.2')
    clock.advance(1)
    // Two of the one address, and the typist has its own.
    expect(Object.keys(ended)).toHaveLength(18)
    expect([ended['old 17'], ended['old 18']]).toEqual([`RATE_LIMITED ${ofAddress}`, undefined])
    clock.advance(20_000)
    expect([newcomers.count, ended.typist]).toEqual([3, undefined])
    // Newcomers do not put those out that wait for a person.
    for (let i = 0; i < 20; i++) admit(`new ${i}`, '192.0.2.2')
    expect([newcomers.count, ended.typist]).toEqual([23, undefined])
  })

  test('are logged once a minute, with the setting', () => {
    const { log, admit, clock } = door(100, 1)
    for (let i = 0; i < 50; i++) admit(String(i), '192.0.2.1')
    const line = { level: 40, setting: 'PARLEY_MAX_UNREGISTERED_PER_ADDRESS', address: '192.0.2.1' }
    expect(log.lines).toMatchObject([line])
    clock.advance(60_000)
    admit('x', '192.0.2.1')
    admit('y', '192.0.2.1')
    expect(log.lines).toMatchObject([line, line])
  })
})

const from = (server: TestServer, address: string) => TestPeer.connect(server.ws, { 'X-Forwarded-For': address })

describe('a WebSocket', () => {
  test('makes way for a newer one of its address, with a code and a sentence, and no registered one does', async () => {
    await using server = await startServer({
      PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '2',
      PARLEY_TRUSTED_PROXIES: '127.0.0.0/8',
    })
    const room = await server.createRoom(await server.signIn())
    const id_token = await server.signIn()
    const enter = async (peerId: string) => {
      const peer = await from(server, '192.0.2.1')
      const { room_id, token } = room
      expect(await peer.ask({ type: 'register', peer_id: peerId, room_id, token, id_token })).toMatchObject({
        type: 'registered_auth',
      })
      return peer
    }
    using first = await enter('first')
    using second = await enter('second')
    using a = await from(server, '192.0.2.1')
    using b = await from(server, '192.0.2.1')
    using elsewhere = await from(server, '192.0.2.2')
    // A third one gets in at once, however many wait.
    using third = await enter('third')
    expect(await a.closed).toEqual({ code: 4429, reason: ofAddress })
    for (const peer of [first, second, third, b, elsewhere]) expect(await peer.rest()).toEqual([])
    const metrics = await (await fetch(`${server.http}/metrics`)).text()
    for (const line of [
      'parley_unregistered_connections 2',
      'parley_unregistered_closed_total{limit="address"} 1',
      'parley_errors_total{code="RATE_LIMITED"} 1',
    ]) {
      expect(metrics).toContain(`\n${line}\n`)
    }
  })

  test('may register after 59 s', async () => {
    const clock = manualClock()
    await using server = await startServer({}, { clock })
    const room = await server.createRoom(await server.signIn())
    const id_token = await server.signIn()
    using typist = await server.connect()
    using silent = await server.connect()
    expect([await typist.rest(), await silent.rest()]).toEqual([[], []])
    // In steps, as the heartbeat asks meanwhile and is answered.
    clock.advance(30_000)
    expect([await typist.rest(), await silent.rest()]).toEqual([[], []])
    clock.advance(29_000)
    const { room_id, token } = room
    expect(await typist.ask({ type: 'register', peer_id: 'a', room_id, token, id_token })).toMatchObject({
      type: 'registered_auth',
    })
    clock.advance(1_000)
    expect(await silent.closed).toMatchObject({ code: 4408 })
  })
})
