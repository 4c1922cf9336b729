import { describe, expect, test } from 'bun:test'
import { manualClock } from '../../server/src/clock.ts'
import type { Clock } from './clock.ts'
import type { ConnectionParts } from './connection-types.ts'
import type { ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'
import { Negotiation } from './negotiation.ts'
import { wordIn } from './negotiation-note.ts'

// What browsers do in e2e/pairings.test.ts, with an RTCPeerConnection that fails when the test wants it to.

/** Negotiates as WebRTC 1.0 section 4.4 says, and has nothing to negotiate. */
class ScriptedPeerConnection {
  signalingState: RTCSignalingState = 'stable'
  readonly iceConnectionState = 'connected'
  localDescription: RTCSessionDescriptionInit | null = null
  remoteDescription: RTCSessionDescriptionInit | null = null
  onnegotiationneeded: (() => void) | null = null
  onicecandidate = null
  /** Descriptions of the other side that it does not take. */
  readonly refused = new Set<RTCSdpType>()
  canRollBack = true
  /** The first line of its descriptions. */
  origin = 'o=- '
  restarts = 0
  /** Offers that were answered, on both sides. */
  agreements = 0
  rollbacks = 0
  /** What takes as long as the test wants. */
  held: 'setLocalDescription' | 'setRemoteDescription' | 'addIceCandidate' | undefined
  readonly #released = Promise.withResolvers<void>()
  #offers = 0
  #isNeeded = false

  constructor(readonly name: string) {}

  /** As `addTrack` does. */
  change(): void {
    this.#isNeeded = true
    this.#look()
  }

  restartIce(): void {
    this.restarts++
    this.change()
  }

  setConfiguration(): void {}

  addEventListener(): void {}

  /** Has come what was held to an end. */
  release(): void {
    this.#released.resolve()
  }

  async addIceCandidate(): Promise<void> {
    if (this.held === 'addIceCandidate') await this.#released.promise
  }

  async setLocalDescription(description?: RTCSessionDescriptionInit): Promise<void> {
    await (this.held === 'setLocalDescription' && this.#released.promise)
    if (description?.type === 'rollback') return this.#rollBack()
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer'
    this.localDescription = { type, sdp: `${this.origin}${this.name} ${++this.#offers}` }
    if (type === 'offer') this.signalingState = 'have-local-offer'
    else this.#agree()
  }

  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    await (this.held === 'setRemoteDescription' && this.#released.promise)
    if (description.type === 'rollback') return this.#rollBack()
    if (this.refused.has(description.type)) throw new Error(`no ${description.type}s today`)
    // Implicit, section 4.4.1.5.
    if (description.type === 'offer' && this.signalingState === 'have-local-offer') this.#rollBack()
    // Chromium puts an origin of its own in place of the one that came.
    this.remoteDescription = { ...description, sdp: String(description.sdp).replace(/^o=\S+/, 'o=-') }
    if (description.type === 'offer') this.signalingState = 'have-remote-offer'
    else {
      this.#isNeeded = false
      this.#agree()
    }
  }

  #rollBack(): void {
    if (!this.canRollBack) throw new Error('no way back')
    this.rollbacks++
    this.signalingState = 'stable'
    this.#look()
  }

  #agree(): void {
    this.agreements++
    this.signalingState = 'stable'
    this.#look()
  }

  #look(): void {
    queueMicrotask(() => {
      if (this.#isNeeded && this.signalingState === 'stable') this.onnegotiationneeded?.()
    })
  }
}

interface Side {
  readonly pc: ScriptedPeerConnection
  readonly negotiation: Negotiation
  readonly failures: ParleyError[]
  /** Descriptions of the other side that its connection was told of. */
  readonly heard: { count: number }
}

/** Lets everything happen that waits for nothing but its turn. */
const settle = async () => {
  for (let turn = 0; turn < 100; turn++) await undefined
}

/** Ada has begun a connection to bob, and they have agreed. */
async function pair() {
  const time = manualClock()
  const planned = new Set<object>()
  const clock: Clock = {
    now: time.now,
    after(ms, act) {
      const plan = {}
      planned.add(plan)
      const cancel = time.after(ms, () => {
        planned.delete(plan)
        act()
      })
      return () => {
        planned.delete(plan)
        cancel()
      }
    },
  }
  const said: string[] = []
  const server = { isOnline: true, keeps: new Set<string>() }
  const sides: { ada?: Side; bob?: Side } = {}

  /** What the server does with a message, unless it keeps messages of that kind. */
  const carry = (from: string, what: string, deliver: (side: Side) => void) => {
    said.push(`${from} ${what}`)
    if (server.keeps.has(`${from} ${what}`)) return
    queueMicrotask(() => {
      const side = from === 'ada' ? sides.bob : sides.ada
      if (side) deliver(side)
    })
  }

  function side(name: 'ada' | 'bob'): Side {
    const pc = new ScriptedPeerConnection(name)
    const failures: ParleyError[] = []
    const heard = { count: 0 }
    const parts: ConnectionParts = {
      peerId: name,
      RTCPeerConnection: undefined,
      clock,
      configuration: () => ({}),
      refresh: () => Promise.resolve(),
      async signal(message) {
        const signal: IncomingSignal = { ...message, sender: name }
        carry(name, message.type, ({ negotiation }) => negotiation.receive(signal))
      },
      async tell(_peerId, payload) {
        const said = wordIn(payload)
        if (said) carry(name, said.word, ({ negotiation }) => negotiation.hear(said.word))
      },
      isOnline: () => server.isOnline,
      protocols: new Map(),
      arrival: () => Promise.resolve(),
      registrations: () => 1,
    }
    // It has what a negotiation uses of it.
    const standIn = pc as unknown as RTCPeerConnection
    const negotiation = new Negotiation(standIn, name === 'ada' ? 'bob' : 'ada', parts, {
      id: 'an attempt',
      isFirst: name === 'ada',
      heard: () => heard.count++,
      failed: error => failures.push(error),
    })
    return { pc, negotiation, failures, heard }
  }

  const [ada, bob] = [side('ada'), side('bob')]
  Object.assign(sides, { ada, bob })
  ada.pc.change()
  await settle()
  expect(said.splice(0)).toEqual(['ada offer', 'bob answer', 'ada answered'])
  const wait = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      time.advance(1_000)
      await settle()
    }
  }
  return { ada, bob, side, said, server, planned, wait }
}

/** Both are where they were, and have been told once, by the code. */
function expectFailed(...sides: Side[]): void {
  for (const { pc, failures } of sides) {
    expect(pc.signalingState).toBe('stable')
    expect(failures.splice(0).map(({ code }) => code)).toEqual(['NEGOTIATION_FAILED'])
  }
}

describe('two sides that have agreed once', () => {
  test('take turns, so that no offer has to be rolled back', async () => {
    const { ada, bob, said } = await pair()
    ada.pc.change()
    bob.pc.change()
    await settle()
    expect(said).toEqual(['bob turn', 'ada offer', 'bob answer', 'ada go', 'bob offer', 'ada answer'])
    for (const { pc } of [ada, bob]) expect([pc.agreements, pc.rollbacks]).toEqual([3, 0])
  })

  test('do so also when the one that leads has something to offer during the turn of the other', async () => {
    const { ada, bob, said, server } = await pair()
    server.keeps.add('bob offer')
    bob.pc.change()
    await settle()
    ada.pc.change()
    await settle()
    expect(said).toEqual(['bob turn', 'ada go', 'bob offer'])
  })

  test('have the one restart ICE that made the first offer, whichever side wants it', async () => {
    const { ada, bob, said, wait } = await pair()
    bob.negotiation.restart()
    await settle()
    expect(said.splice(0)).toEqual(['bob restart', 'ada offer', 'bob answer'])
    ada.negotiation.restart()
    ada.negotiation.restart()
    await wait(2)
    // One after the other, and not before the last one has settled.
    expect(said).toEqual([])
    await wait(1)
    expect(said).toEqual(['ada offer', 'bob answer'])
    expect([ada.pc.restarts, bob.pc.restarts]).toEqual([2, 0])
  })
})

describe('an ICE restart between Firefox and another browser', () => {
  for (const firefox of ['ada', 'bob'] as const) {
    test(`is made by Firefox, also if ${firefox} is in it`, async () => {
      const { said, ...sides } = await pair()
      sides[firefox].pc.origin = 'o=mozilla...THIS_IS_SDPARTA-99.0 '
      sides.ada.pc.change()
      await settle()
      said.splice(0)
      const other = firefox === 'ada' ? 'bob' : 'ada'
      sides[other].negotiation.restart()
      await settle()
      expect(said[0]).toBe(`${other} restart`)
      expect([sides[firefox].pc.restarts, sides[other].pc.restarts]).toEqual([1, 0])
      expect(sides.ada.pc.agreements).toBe(3)
    })
  }
})

describe('an offer', () => {
  test('is made once more when the other side cannot take it', async () => {
    const { ada, bob, said, server } = await pair()
    bob.pc.refused.add('offer')
    server.keeps.add('bob refused')
    ada.pc.change()
    await settle()
    expect(said.splice(0)).toEqual(['ada offer', 'bob refused'])
    bob.pc.refused.clear()
    ada.negotiation.hear('refused')
    await settle()
    expect(said).toEqual(['ada offer', 'bob answer'])
    expect([ada.failures, bob.failures]).toEqual([[], []])
    expect([ada.pc.agreements, bob.pc.agreements]).toEqual([2, 2])
  })

  for (const [what, whose] of [
    ['offer', 'bob'],
    ['answer', 'ada'],
  ] as const) {
    test(`is given up, and both sides are told, when the ${what} is refused twice`, async () => {
      const { said, ...sides } = await pair()
      const { ada, bob } = sides
      sides[whose].pc.refused.add(what)
      ada.pc.change()
      await settle()
      expect(said.filter(each => each === 'ada offer')).toHaveLength(2)
      const [cause] = sides[whose].failures
      expect(cause?.message).toEndWith(`no ${what}s today`)
      expectFailed(ada, bob)
    })
  }

  test('is given up when the side that was asked for a turn does not take the offer', async () => {
    const { ada, bob, said } = await pair()
    ada.pc.refused.add('offer')
    bob.pc.change()
    await settle()
    expect(said.filter(each => each === 'bob offer')).toHaveLength(2)
    expectFailed(ada, bob)
  })

  test('that was given up is made again once the two agree on something else', async () => {
    const { ada, bob } = await pair()
    bob.pc.refused.add('offer')
    ada.pc.change()
    await settle()
    expectFailed(ada, bob)
    bob.pc.refused.clear()
    bob.pc.change()
    await settle()
    expect([ada.pc.agreements, bob.pc.agreements]).toEqual([3, 3])
    expect([ada.failures, bob.failures]).toEqual([[], []])
  })

  test('is reported also when it cannot be rolled back', async () => {
    const { ada, bob } = await pair()
    ada.pc.refused.add('answer')
    ada.pc.canRollBack = false
    ada.pc.change()
    await settle()
    ada.negotiation.hear('refused')
    await settle()
    expect(ada.failures.map(({ code }) => code)).toEqual(['NEGOTIATION_FAILED'])
    expect(bob.failures.map(({ code }) => code)).toEqual(['NEGOTIATION_FAILED'])
  })
})

describe('silence', () => {
  test('of 10 s has an offer made once more, and of 20 s is told to both; an answer that comes late heals it', async () => {
    const { ada, bob, said, server, wait } = await pair()
    server.keeps.add('bob answer')
    ada.pc.change()
    await settle()
    await wait(9)
    expect(said.splice(0)).toEqual(['ada offer', 'bob answer'])
    await wait(1)
    expect(said.splice(0)).toEqual(['ada offer', 'bob answer'])
    await wait(9)
    expect([...ada.failures, ...bob.failures]).toEqual([])
    await wait(1)
    expect(said.splice(0)).toEqual(['ada failed'])
    expectFailed(ada, bob)
    await wait(60)
    expect(said).toEqual([])

    server.keeps.clear()
    ada.negotiation.receive({ type: 'answer', sender: 'bob', sdp: 'bob', parley: { link: 'an attempt', round: 2 } })
    await settle()
    expect(said).toEqual(['ada offer', 'bob answer'])
    expect(ada.pc.agreements).toBe(2)
  })

  test('while the server cannot be reached does not count', async () => {
    const { ada, said, server, wait } = await pair()
    server.keeps.add('bob answer')
    ada.pc.change()
    await settle()
    said.splice(0)
    await wait(5)
    server.isOnline = false
    await wait(3_600)
    server.isOnline = true
    await wait(4)
    expect(said).toEqual([])
    await wait(1)
    expect(said).toEqual(['ada offer', 'bob answer'])
  })

  test('of the side whose turn it is ends its turn', async () => {
    const { ada, bob, said, server, wait } = await pair()
    server.keeps.add('bob offer')
    bob.pc.change()
    await settle()
    ada.pc.change()
    await wait(9)
    expect(said.splice(0)).toEqual(['bob turn', 'ada go', 'bob offer'])
    // Both get impatient at the same time: the offers cross, and ada gives way.
    server.keeps.clear()
    await wait(1)
    expect([ada.pc.agreements, bob.pc.agreements]).toEqual([3, 3])
    expect([...ada.failures, ...bob.failures]).toEqual([])
  })

  test('instead of a turn is told, also when the other side has offered something meanwhile', async () => {
    const { ada, bob, said, server, wait } = await pair()
    server.keeps.add('bob turn')
    bob.pc.change()
    await settle()
    ada.pc.change()
    await settle()
    await wait(9)
    expect([said, bob.failures]).toEqual([['bob turn', 'ada offer', 'bob answer'], []])
    await wait(1)
    expectFailed(bob)
    await wait(60)
    expect(bob.failures).toEqual([])
    // What was asked for arrives at last.
    ada.negotiation.hear('turn')
    await settle()
    expect([ada.pc.agreements, bob.pc.agreements]).toEqual([3, 3])
  })

  test('that somebody has broken is not told afterwards', async () => {
    const { ada, bob, wait } = await pair()
    ada.pc.change()
    bob.pc.change()
    await wait(60)
    expect([...ada.failures, ...bob.failures]).toEqual([])
  })
})

// A connection that is closed stays open until the other side has confirmed the goodbye.
describe('what is still under way when the connection is closed', () => {
  /** Closes it, and then lets it come to its end. */
  async function expectNothing(
    { ada, bob, said, server, planned, wait }: Awaited<ReturnType<typeof pair>>,
    side: Side,
  ) {
    const [saidBefore, heardBefore] = [[...said], side.heard.count]
    for (const { negotiation } of [ada, bob, side]) negotiation.stop()
    server.isOnline = false
    side.pc.release()
    await wait(60)
    expect([said, side.heard.count, side.failures]).toEqual([saidBefore, heardBefore, []])
    expect(planned.size).toBe(0)
  }

  test('comes to nothing: an offer that is taken', async () => {
    const place = await pair()
    const { ada, bob, said } = place
    bob.pc.held = 'setRemoteDescription'
    ada.pc.change()
    await settle()
    expect(said).toEqual(['ada offer'])
    await expectNothing(place, bob)
  })

  test('comes to nothing: an answer that is taken', async () => {
    const place = await pair()
    const { ada, said } = place
    ada.pc.held = 'setRemoteDescription'
    ada.pc.change()
    await settle()
    expect(said).toEqual(['ada offer', 'bob answer'])
    await expectNothing(place, ada)
  })

  test('comes to nothing: an offer that is answered, by a side that waits for its turn', async () => {
    const place = await pair()
    const { ada, bob, said, server } = place
    server.keeps.add('bob turn')
    bob.pc.change()
    await settle()
    bob.pc.held = 'setLocalDescription'
    ada.pc.change()
    await settle()
    expect([said, bob.pc.signalingState]).toEqual([['bob turn', 'ada offer'], 'have-remote-offer'])
    await expectNothing(place, bob)
  })

  test('comes to nothing: candidates that came before their offer', async () => {
    const place = await pair()
    const bob = place.side('bob')
    bob.pc.held = 'addIceCandidate'
    const note = { sender: 'ada', parley: { link: 'an attempt' } }
    bob.negotiation.receive({ ...note, type: 'candidate', candidate: {} })
    bob.negotiation.receive({ ...note, type: 'offer', sdp: 'ada' })
    await settle()
    expect(bob.pc.signalingState).toBe('have-remote-offer')
    await expectNothing(place, bob)
  })
})
