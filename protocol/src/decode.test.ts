import { describe, expect, test } from 'bun:test'
import { errors, fromPeers, fromServer } from '@parley/protocol/fixtures'
import fc from 'fast-check'
import { isOptional } from './forms.ts'
import {
  bye,
  decode,
  type ErrorCode,
  errorKinds,
  errorMessage,
  limits,
  nameSender,
  peerMessages,
  SignalingError,
  serverMessages,
} from './index.ts'

const refusal = (text: string): SignalingError => {
  try {
    decode(text)
  } catch (error) {
    if (error instanceof SignalingError) return error
    throw error
  }
  throw new Error(`not refused: ${text.slice(0, 80)}`)
}
const codeOf = (text: string) => refusal(text).code
const registerWith = (members: object) => JSON.stringify({ ...fromPeers.register, ...members })

describe('decode', () => {
  for (const [name, message] of Object.entries(fromPeers)) {
    test(`reads the golden ${name}`, () => {
      // Of a signal, nobody reads the SDP.
      const { sdp: _, ...read } = { sdp: undefined, ...message }
      expect(decode(JSON.stringify(message))).toMatchObject(read)
    })
  }

  test('gives a register the defaults of what it leaves out', () => {
    expect(decode(JSON.stringify(fromPeers.register))).toEqual({
      ...(fromPeers.register as { type: 'register' } & typeof fromPeers.register),
      role: 'peer',
      metadata: {},
      is_admin: false,
      features: [],
      channels: [],
      request_id: undefined,
    })
  })

  test('keeps an sdp that is not the one of a signal', () => {
    const metadata = { sdp: 'v=0'.padEnd(1000, '.') }
    expect(decode(registerWith({ metadata }))).toMatchObject({ metadata })
  })

  test('reads a long offer whatever the order of its members', () => {
    const { sdp, sender, target } = { ...fromPeers.offer, sdp: 'a=x\r\n'.repeat(400) }
    for (const message of [
      { type: 'offer', sender, target, sdp },
      { sdp, target, type: 'offer', request_id: 'r-1', sender },
    ]) {
      const { sdp: _, ...rest } = message
      expect(decode(JSON.stringify(message))).toMatchObject(rest as { type: 'offer' })
      expect(() => decode(JSON.stringify({ ...message, target: ['a'] }))).toThrow('target must be')
      expect(() => decode(JSON.stringify(message).replace('a=x', 'a=\u0001'))).toThrow('not JSON')
    }
  })

  test.each(['', '{', 'offer', '{"type":"offer",}', '\u0000', '[1', '{"a":01}', '\ufeff{}'])(
    'refuses %j as INVALID_JSON',
    text => {
      expect(codeOf(text)).toBe('INVALID_JSON')
    },
  )

  test.each(['null', '[]', '7', '"offer"', 'true', '{}', '[{"type":"offer"}]'])(
    'refuses %s as INVALID_MESSAGE',
    text => {
      expect(codeOf(text)).toBe('INVALID_MESSAGE')
    },
  )

  test.each(['"query_all"', '"__proto__"', '"constructor"', '7', 'null', '["offer"]', '{"offer":1}'])(
    'refuses the type %s as UNKNOWN_MESSAGE_TYPE',
    type => {
      expect(codeOf(`{"type":${type},"target":"a"}`)).toBe('UNKNOWN_MESSAGE_TYPE')
    },
  )

  test.each(['undefined', '7', 'null', '["Worker-456"]', '{"a":"b"}'])(
    'refuses an offer whose target is %s',
    target => {
      const members = target === 'undefined' ? '' : `,"target":${target}`
      expect(codeOf(`{"type":"offer"${members}}`)).toBe('INVALID_MESSAGE')
    },
  )

  test('refuses nesting that would break the reader at the other end', () => {
    const nested = (depth: number) => `{"type":"offer","target":"a","sdp":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expect(codeOf(nested(100_000))).toBe('INVALID_MESSAGE')
    expect(codeOf(nested(limits.nesting))).toBe('INVALID_MESSAGE')
    expect(decode(nested(limits.nesting - 1)).type).toBe('offer')
    expect(codeOf('['.repeat(100_000))).toBe('INVALID_JSON')
    expect(codeOf('['.repeat(100_000) + ']'.repeat(100_000))).toBe('INVALID_MESSAGE')
  })

  test.each(['peer_id', 'room_id', 'token', 'id_token'])(
    'answers a register without %s in the words of the original',
    field => {
      for (const absent of [undefined, '', null, 0, false]) {
        const error = refusal(registerWith({ [field]: absent }))
        expect(error.code).toBe('INVALID_MESSAGE')
        expect(error.message).toBe('Missing required fields during registration.')
      }
      for (const wrong of [7, ['a'], { a: 1 }, true]) {
        expect(refusal(registerWith({ [field]: wrong })).message).toBe(`${field} must be a string.`)
      }
    },
  )

  test('takes any printable peer_id of up to 128 characters, and no other', () => {
    for (const peer_id of ['Worker-3108', 'a b', 'Ω', '工作者', '🙂', '"\\/', 'x'.repeat(128)]) {
      expect(decode(registerWith({ peer_id }))).toMatchObject({ peer_id })
    }
    for (const peer_id of [
      'x'.repeat(129),
      'a\nb',
      'a\u0000',
      '\u202etxt',
      'a\u2028b',
      '\ud800',
      'a\tb',
      '\u00ad',
      '.',
      '..',
    ]) {
      expect(codeOf(registerWith({ peer_id }))).toBe('INVALID_MESSAGE')
    }
    expect(() => decode(registerWith({ peer_id: 'abcd' }), 3)).toThrow('peer_id must be 1 to 3 printable')
  })

  test.each([
    ['role', [7, '', 'x'.repeat(65), 'a\n', ['a']]],
    ['metadata', [[], 'text', 7, { a: 'x'.repeat(limits.metadataBytes) }, { a: 'ä'.repeat(limits.metadataBytes / 2) }]],
    ['is_admin', ['yes', 1, {}]],
    ['features', ['acks', [7], Array(33).fill('acks'), ['x'.repeat(65)], {}]],
    ['channels', ['a', [7], [''], ['a\n'], ['x'.repeat(65)], Array(33).fill('a'), {}]],
  ])('refuses a register whose %s has the wrong form, and takes null for none', (field, wrong) => {
    for (const value of wrong) expect(refusal(registerWith({ [field]: value })).message).toStartWith(field)
    expect(decode(registerWith({ [field]: null }))).toEqual(decode(registerWith({})))
  })

  test('refuses each message without a member that it needs, or with one of another form, and says which', () => {
    for (const [name, kind] of Object.entries(peerMessages)) {
      const golden = fromPeers[name as keyof typeof fromPeers]
      for (const [member, form] of Object.entries(kind.members)) {
        if (name === 'register' || member === 'target' || isOptional(form)) continue
        const { [member]: _, ...rest } = golden as Record<string, unknown>
        expect(refusal(JSON.stringify(rest))).toMatchObject({
          code: 'INVALID_MESSAGE',
          message: `${member} is missing.`,
        })
      }
    }
    for (const wrong of [
      { type: 'peer_message', to_peer_id: ['a'], payload: 1 },
      { type: 'mesh_connect', target_peer_id: 7, offer: 1 },
      { type: 'update_metadata', metadata: [] },
      { type: 'update_metadata', metadata: { a: 'x'.repeat(limits.metadataBytes) } },
      { type: 'discover_peers', filters: 'role' },
      { type: 'discover_peers', filters: { a: 'x'.repeat(limits.metadataBytes) } },
      { type: 'join_channel', channel: 'a\n' },
      { type: 'broadcast', channel: {}, payload: 1 },
    ]) {
      expect(codeOf(JSON.stringify(wrong))).toBe('INVALID_MESSAGE')
    }
  })

  test('takes null for a member that may be missing, and for any JSON', () => {
    expect(decode('{"type":"discover_peers","filters":null,"from_peer_id":null}')).toMatchObject({ filters: {} })
    expect(decode('{"type":"broadcast","channel":null,"payload":null}')).toMatchObject({ payload: null })
  })

  test('repeats in an error whom the message was for, under the name that it had', () => {
    expect(refusal('{"type":"peer_message","to_peer_id":"b"}').context).toMatchObject({ target: 'b' })
    expect(refusal('{"type":"mesh_answer","target_peer_id":"b"}').context).toMatchObject({
      target: 'b',
      targetPeerId: 'b',
    })
  })

  test('names the failed message by its request_id, if that is a valid one', () => {
    expect(refusal('{"type":"?","request_id":"a.B-9_"}').context.requestId).toBe('a.B-9_')
    for (const id of ['', 'x'.repeat(65), 'a b', 7, null, ['a']]) {
      expect(refusal(JSON.stringify({ type: '?', request_id: id })).context.requestId).toBeUndefined()
    }
  })

  test('throws nothing but SignalingError, whatever it is given', () => {
    const outcome = (text: string) => {
      try {
        return decode(text).type
      } catch (error) {
        return error instanceof SignalingError ? error.code : error
      }
    }
    const known = new Set<unknown>([...Object.keys(errorKinds), ...Object.keys(peerMessages)])
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map(json => `{"type":"offer","target":${json}}`),
        ),
        text => known.has(outcome(text)),
      ),
      {
        numRuns: 2000,
      },
    )
  })
})

describe('nameSender', () => {
  test('adds the sender and leaves every other byte as it was', () => {
    const text = ' { "type":"offer", "n":1.0, "id":9007199254740993 }'
    expect(nameSender(text, 'a"b')).toBe(' {"sender":"a\\"b", "type":"offer", "n":1.0, "id":9007199254740993 }')
  })
})

test('each message has a golden one, and each golden one is of a kind that the tables have', () => {
  const types = (golden: object) => [...new Set(Object.values(golden).map(({ type }) => type))].sort()
  expect(types(fromPeers)).toEqual(Object.keys(peerMessages).sort())
  expect(types({ ...fromServer, ...errors })).toEqual(Object.keys(serverMessages).sort())
})

describe('the table of errors', () => {
  test('has one golden message for each code, and no other', () => {
    expect(Object.keys(errors).sort()).toEqual(Object.keys(errorKinds).sort())
    for (const [code, golden] of Object.entries(errors)) {
      const {
        request_id: requestId,
        target,
        undelivered,
        retry_after: retryAfter,
      } = golden as { request_id?: string; target?: string; undelivered?: string[]; retry_after?: number }
      const error = new SignalingError(code as ErrorCode, undefined, { requestId, target, undelivered, retryAfter })
      expect(errorMessage(error)).toEqual(golden as ReturnType<typeof errorMessage>)
    }
  })

  test('closes with a code whose range says whether to come back', () => {
    for (const [code, { closeCode, retryable }] of Object.entries(errorKinds)) {
      if (closeCode === null || closeCode < 4000) continue
      expect([code, closeCode < 4500]).toEqual([code, retryable])
    }
  })

  test('has a remedy and a sentence for each code, and an HTTP status that is an error', () => {
    for (const { sentence, remedy, httpStatus } of Object.values(errorKinds)) {
      expect(sentence.length * remedy.length).toBeGreaterThan(0)
      expect(httpStatus).toBeWithin(400, 600)
    }
  })
})

test('bye is as its golden message', () => {
  expect(bye(new SignalingError('PEER_REPLACED'), 4505)).toEqual(fromServer.bye as ReturnType<typeof bye>)
})
