type Mutant = readonly [file: string, guard: string, instead: string, targets: string]

const of = (file: string, targets: string, changes: readonly (readonly [guard: string, instead: string])[]): Mutant[] =>
  changes.map(([guard, instead]): Mutant => [file, guard, instead, targets])

/**
 * Guards, each with what stands in its place where it is missing, and the target that has to notice. Not here are those that another
 * one makes up for: a refresh token is no ID token by its use and by its audience.
 */
export const mutants: readonly Mutant[] = [
  ...of('protocol/src/decode.ts', 'decode', [
    ["typeof message.target === 'string'", 'true'],
    ["    case undefined:\n      throw invalid(message, 'The message has no type.')\n", ''],
    ['Object.hasOwn(peerMessages, type)', 'type in peerMessages'],
    ["throw new SignalingError('INVALID_JSON', undefined, { cause })", 'throw cause'],
    ['if (!isObject(value)) throw', 'if (value === null) throw'],
    ['if (hasBrackets(json, limits.nesting) && ', 'if (false && '],
    ['!isShallow(value, limits.nesting)', '!isShallow(value, limits.nesting + 1)'],
    ["for (const bracket of ['[', '{'])", "for (const bracket of ['['])"],
    ['if (json.length < 2 * least) return false', 'if (json.length < 4 * least) return false'],
    ['(value === undefined || value === null)', 'value === undefined'],
    ['if (value === undefined) throw', 'if (false) throw'],
    ['form.read ? form.read(value) : value', 'value'],
    ["if (name === 'peer_id' && type === 'register') result[name] = value\n    else ", ''],
    ["if (type === 'register') checkRegister(message, peerIdLength)", ''],
    ['if (!required.every(name => message[name])) throw', 'if (false) throw'],
    ["if (typeof message[name] !== 'string') throw", 'if (false) throw'],
    ['!isPrintable(message.peer_id, peerIdLength) || ', ''],
    [' || !isAddressable(message.peer_id)', ''],
    ['{1,64}$/', '+$/'],
    ['/^[A-Za-z0-9_.-]', '/[A-Za-z0-9_.-]'],
    ["typeof value === 'string' && value.length <= limits.echoLength", "typeof value === 'string'"],
    ["...(message.type === 'register' && { isRegister: true }),", ''],
    ['shortText(message.to_peer_id) ?? ', ''],
    ['JSON.stringify(sender)', 'sender'],
    ['throw unknownType(message)', "throw invalid(message, 'unknown')"],
  ]),
  ...of('protocol/src/quick-signal.ts', 'decode', [
    ['control.test(text) || ', ''],
    ['if (next === closingBrace && end + 2 === text.length)', 'if (next === closingBrace)'],
    ['if (next !== comma) return undefined', ''],
    ['if (at >= 0 && at < start) return false', ''],
    ['if (at >= end) return false', ''],
    ['    else return false\n    at = text', '    else at += 2\n    at = text'],
    ['type === undefined || ', ''],
    ['text.charCodeAt(start - 1) !== quote || ', ''],
  ]),
  ...of('protocol/src/raw-member.ts', 'decode', [
    ["quoted.includes('\\\\') ? JSON.parse(quoted) : ", ''],
    ['return backslashes % 2 === 1', 'return backslashes > 0'],
    ['return backslashes % 2 === 1', 'return false'],
    ['found = json.slice(start, end)', 'found ??= json.slice(start, end)'],
    ['      case code.quote:\n        at = endOfString(json, at)\n        continue\n', ''],
    ['      case 9:\n      case 10:\n      case 13:\n      case 32:\n', ''],
    ['case code.openBracket:\n', ''],
  ]),
  ...of('protocol/src/forms.ts', 'decode', [
    ['if (depth === 0) return false', ''],
    [
      "typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : value !== null && value !== ''",
      'true',
    ],
    ["is: value => typeof value === 'boolean'", 'is: (value): value is boolean => true'],
    [
      "typeof value === 'object' && value !== null && !Array.isArray(value)",
      "typeof value === 'object' && value !== null",
    ],
    ['value.length <= most && value.every(form.is)', 'value.every(form.is)'],
    ['value.length <= most && value.every(form.is)', 'value.length <= most'],
    ['...(form.read && { read: value => value.map(item => form.read?.(item) ?? item) }),', ''],
    ['  read: canonicalName,\n', ''],
  ]),
  ...of('protocol/src/peer-messages.ts', 'decode', [
    [' && metadataSize(value) <= limits.metadataBytes', ''],
    ['isObject(value) && isShallow', 'isShallow'],
    ["typeof value === 'string' && value.length <= limits.featureLength", "typeof value === 'string'"],
    ["peerId !== '.' && peerId !== '..'", "peerId !== '.'"],
    ['to_peer_id: text, payload: something', 'to_peer_id: anything, payload: something'],
    ['payload: something', 'payload: anything'],
    ['utf8.encode(JSON.stringify(metadata)).length', 'JSON.stringify(metadata).length'],
  ]),
  ...of('protocol/src/peer-messages.ts', 'http', [[' && isShallow(value, limits.nesting - 1)', '']]),
  ...of('protocol/src/names.ts', 'decode', [
    [' || !printableText.test(value)', ''],
    ['value.length > mostUnits(most) || ', ''],
    ['if (++characters > most) return false', ''],
    ['if (simple.test(value)) return value.length <= most', 'if (simple.test(value)) return true'],
    ["ascii.test(name) ? name : name.normalize('NFC')", 'name'],
    [')[\\\\u200C\\\\u180E](?=[', ')[\\\\u200C\\\\u180E](?!['],
    ['])\\\\u200D(?=', '])\\\\u200D(?!'],
    ['^(?=.*[^\\\\p{Default_Ignorable_Code_Point}\\\\p{Z}\\\\u2800])', '^'],
    ['{1,31}\\\\u{E007F}', '{1,31}'],
    ["'[^\\\\p{C}\\\\p{Z}]'", "'[^\\\\p{C}]'"],
  ]),
  ...of('protocol/src/names.ts', 'frames', [
    ["?? (ascii.test(name) ? undefined : super.get(name.normalize('NFC')))", ''],
    ['a === b || canonicalName(a) === canonicalName(b)', 'a === b'],
  ]),
  ...of('server/src/sessions/frames.ts', 'frames', [
    ['{ fatal: true }', '{}'],
    [
      "throw new SignalingError('INVALID_MESSAGE', 'request_id must",
      "return false && new SignalingError('INVALID_MESSAGE', 'request_id must",
    ],
    [' || message.request_id === null', ''],
  ]),
  ...of('server/src/sessions/arrival.ts', 'frames', [
    ['Buffer.byteLength(frame) > this.parts.limits.unregisteredMessageBytes', 'false'],
    ["if (message.features.includes('acks')) isRequest(message)", ''],
  ]),
  ...of('server/src/sessions/inbound.ts', 'frames', [['if (this.session.voice.hasAcks) isRequest(message)', '']]),
  ...of('server/src/sessions/refusals.ts', 'frames', [
    ['toSignalingError(error).with(message ? context(message) : {})', 'toSignalingError(error)'],
  ]),
  ...of('server/src/sessions/voice.ts', 'frames', [
    ['this.hasAcks ? requestIdOf(request) : undefined', 'undefined'],
    ['this.hasAcks ? requestIdOf(request) : undefined', 'requestIdOf(request)'],
  ]),
  ...of('server/src/sessions/dialect.ts', 'frames', [["dialect !== 'plain' || context.isRegister", 'true']]),
  ...of('server/src/gateway/gateway.ts', 'frames', [
    ['maxPayloadLength: config.messageBytes', 'maxPayloadLength: 16 * config.messageBytes'],
  ]),
  ...of('server/src/rooms/relay.ts', 'frames', [
    ['checkSender(peer, message.sender)', ''],
    [
      'const { to_peer_id: to } = message',
      'const { to_peer_id: to } = message; peer = { ...peer, id: String(message.from_peer_id ?? peer.id) } as Peer',
    ],
    ['  checkSender(peer, message.from_peer_id)\n  const { to_peer_id', '  const { to_peer_id'],
    [
      '  checkSender(peer, message.from_peer_id)\n  const target = inReach(peer, message.target_peer_id)',
      '  const target = inReach(peer, message.target_peer_id)',
    ],
    ['  checkSender(peer, message.from_peer_id)\n  const { channel }', '  const { channel }'],
    [
      "typeof named !== 'string' || !isSameName(named, peer.id)",
      "typeof named === 'string' && !isSameName(named, peer.id)",
    ],
    ['message.sender === undefined ? nameSender(text, peer.id) : text', 'text'],
    ["if (!target) throw new SignalingError('PEER_NOT_IN_ROOM')", 'if (!target) return'],
    ["{rawMember(text, 'payload')}}`, metrics)", '{JSON.stringify(message.payload)}}`, metrics)'],
    ["if (channel !== undefined && !peer.channels.has(channel)) throw new SignalingError('NOT_IN_CHANNEL')", ''],
    ['other => other !== peer && reaches(other)', 'reaches'],
    ['channel === undefined ? meet(channels, other.channels) : other.channels.has(channel)', 'true'],
  ]),
  ...of('server/src/rooms/requests.ts', 'frames', [
    ['requestId === undefined ? message : { ...message, request_id: requestId }', 'message'],
    ['      checkSender(peer, message.from_peer_id)\n', ''],
    ['  checkSender(peer, message.peer_id)\n', ''],
    ['if (!isMetadata(metadata)) {', 'if (false) {'],
  ]),
  ...of('server/src/rooms/room.ts', 'frames', [
    ['other && meet(peer.channels, other.channels) ? other : undefined', 'other'],
    ['other !== peer && meet(peer.channels, other.channels)', 'other !== peer'],
    ['other !== peer && meet(peer.channels, other.channels)', 'meet(peer.channels, other.channels)'],
    ['if (mine === theirs) return true', 'if (mine.size === 0 || theirs.size === 0) return true'],
  ]),
  ...of('server/src/rooms/roster-summary.ts', 'frames', [
    ['after !== undefined && meet(after, channels)', 'after !== undefined'],
    ['before !== undefined && meet(before, channels)', 'before !== undefined'],
  ]),
  ...of('server/src/rooms/channels.ts', 'frames', [
    ["if (!peer.channels.has(channel)) throw new SignalingError('NOT_IN_CHANNEL')", ''],
    ['if (peer.channels.size >= limits.channels) {', 'if (false) {'],
  ]),
  ...of('server/src/rooms/presence.ts', 'frames', [
    ["if (peer.features.has('presence')) this.#subscribers", 'this.#subscribers'],
  ]),
  ...of('server/src/rooms/entrance.ts', 'frames', [
    ["if (present && !mine) throw occupied('PEER_ID_TAKEN', [present], uptime)", ''],
  ]),
  ...of('server/src/rooms/admission.ts', 'frames', [
    [
      "if (!record) throw new SignalingError('ROOM_NOT_FOUND')",
      "if (!record) throw new SignalingError('ROOM_EXPIRED')",
    ],
  ]),
  ...of('server/src/rooms/secrets.ts', 'frames', [
    ['timingSafeEqual(createHash', 'true || timingSafeEqual(createHash'],
  ]),
  ...of('server/src/rooms/rights.ts', 'http', [
    ['if (claim.identity === record.created_by) return true', 'return true'],
    ['if (!peer.invited && isAt(peer.session.address)) return true', 'return true'],
  ]),
  ...of('server/src/rooms/owner.ts', 'http', [['if (created_by !== identity) {', 'if (false) {']]),
  ...of('server/src/client.ts', 'http', [['hops.findLastIndex(', 'hops.findIndex(']]),
  ...of('server/src/api/api.ts', 'http', [
    ['      maxSize: bodyBytes,', '      maxSize: 100 * bodyBytes,'],
    ["app.notFound(() => problem(new SignalingError('NOT_FOUND')))", ''],
    ["'Allow: [...allowed].join(', ')".slice(1), "Allow: ''"],
  ]),
  ...of('server/src/api/answering.ts', 'http', [
    [
      'const { subject } = await authenticate(c)',
      'const subject = await authenticate(c).then(found => found.subject, () => "nobody")',
    ],
    ['secret ? {', 'false ? {'],
    ['(?:Bearer +)?(\\S+) *$', '(?:Bearer +)?(\\S+)'],
  ]),
  ...of('server/src/api/read-body.ts', 'http', [
    ["throw new SignalingError('INVALID_JSON', 'The body is not JSON in UTF-8.', { cause })", 'throw cause'],
    ['if (result.success) return result.data', 'return (result.data ?? value) as T'],
  ]),
  ...of('server/src/api/bodies.ts', 'http', [
    ['.refine(isMetadata, ', '.refine(() => true, '],
    ['.refine(text => isPrintable(text, length), ', '.refine(() => true, '],
    ['DeletePeer: z.object({ peer_id: z.string().min(1)', 'DeletePeer: z.object({ peer_id: z.string()'],
    ['        .max(limits.channels)\n', ''],
    ['const maxPeers = z.int().min(1).max(peersPerRoom)', 'const maxPeers = z.int().min(1)'],
    [".refine(body => Object.keys(body).length > 0, 'there is nothing to change')", ''],
    ['RefreshToken: z.strictObject', 'RefreshToken: z.object'],
  ]),
  ...of('server/src/problem.ts', 'http', [
    ["'Content-Type': 'application/problem+json'", "'Content-Type': 'application/json'"],
    ['...(httpStatus === 401 &&', '...(false &&'],
  ]),
]
