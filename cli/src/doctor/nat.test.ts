import { expect, onTestFinished, test } from 'bun:test'
import { type StunBehaviour, serveUdp } from '../../test/stun-server.ts'
import type { Finding } from './check.ts'
import type { Answering } from './ice-checks.ts'
import { checkNat } from './nat.ts'

/** An address outside, as behind a NAT. */
const outside = (port: number): StunBehaviour => ({ mapped: () => ({ ip: '203.0.113.7', port }) })

async function server(behaviour: StunBehaviour, kind: Answering['kind'] = 'stun'): Promise<Answering> {
  const { port, close } = await serveUdp(behaviour)
  onTestFinished(close)
  return { kind, udp: { ip: '127.0.0.1', port } }
}

function check(...servers: readonly Answering[]): Promise<Finding<void>> {
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  return checkNat(servers, ending.signal)
}

test('one outside address for all makes direct connections likely', async () => {
  const finding = await check(await server(outside(40_000)), await server(outside(40_000)))
  expect(finding).toMatchObject({ detail: expect.stringContaining('one address to all, 203.0.113.7:40000') })
  expect(finding.status).toBeUndefined()
})

test('another outside address for each server needs TURN', async () => {
  const finding = await check(await server(outside(40_000)), await server(outside(40_001)))
  expect(finding).toMatchObject({ status: 'warning', advice: expect.stringContaining('PARLEY_TURN_URLS') })
})

test('that is no worry when TURN works', async () => {
  const finding = await check(await server(outside(40_000)), await server(outside(40_001), 'turn'))
  expect(finding).toMatchObject({ detail: expect.stringContaining('needs TURN, which works') })
  expect(finding.advice).toBeUndefined()
})

test('both servers are asked from the same port', async () => {
  const ports = new Set<number>()
  const behaviour: StunBehaviour = {
    mapped: from => {
      ports.add(from.port)
      return from
    },
  }
  const finding = await check(await server(behaviour), await server(behaviour))
  expect(finding).toMatchObject({ detail: expect.stringContaining('no NAT') })
  expect(ports.size).toBe(1)
})

test('what is lost once is asked again', async () => {
  const lossy = await server({ ...outside(40_000), losesFirst: 1 })
  expect(await check(await server(outside(40_000)), lossy)).toMatchObject({
    detail: expect.stringContaining('one address to all'),
  })
})

test('one server tells nothing, however often it is named', async () => {
  const one = await server(outside(40_000))
  expect(await check(one, one)).toMatchObject({ status: 'skipped' })
})

test('neither do two of which one does not answer', async () => {
  const silent = await server({ losesFirst: 1000 })
  expect(await check(await server(outside(40_000)), silent)).toMatchObject({ status: 'skipped' })
})

test('servers that are reached by TCP or IPv6 are left out', async () => {
  const v6 = { kind: 'stun', udp: { ip: '::1', port: 3478 } } as const
  expect(await check({ kind: 'turn', udp: undefined }, v6, await server({}))).toMatchObject({ status: 'skipped' })
})
