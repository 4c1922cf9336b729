import { isUtf8 } from 'node:buffer'
import type { ErrorCode } from '@parley/protocol'
import { type Echo, echoOf, expected, isObject, type Json, membersOf, nfc, requestId, signals } from './contract.ts'

// What becomes of a frame in a room, said a second time: who is sent what, and what its sender hears.

/** Somebody in the room, or on a connection that has not registered. */
export interface Member {
  readonly id: string
  readonly isRegistered: boolean
  readonly features: readonly string[]
  channels: readonly string[]
  /** Whether its name and channels stay, so that what others send to it has one outcome. */
  readonly isSettled: boolean
  readonly isVictim: boolean
}

/** One answer to its sender. */
export interface Answer {
  readonly due: string
  fits(message: Json): boolean
}

export interface Outcome {
  readonly answers: readonly Answer[]
  /** What is sent to whom. */
  readonly deliveries: readonly (readonly [to: Member, text: string])[]
}

export type Frame = string | Buffer

const silence: Outcome = { answers: [], deliveries: [] }

/**
 * What is to become of a frame of `sender`, which is in `room` if it has registered. Undefined where that depends on
 * what others do at the same time. Changes the channels of `sender` as the frame asks for.
 */
export function predict(sender: Member, frame: Frame, room: readonly Member[]): Outcome | undefined {
  if (typeof frame !== 'string' && !isUtf8(frame)) return refusal(sender, 'INVALID_JSON', echoOf({}))
  // In bytes, as Python reads them, a byte order mark is no part of the text.
  const text = typeof frame === 'string' ? frame : frame.toString().replace(/^\ufeff/, '')
  const due = expected(text)
  if ('code' in due) return refusal(sender, due.code, due.echo)
  const { message } = due
  if (message.type === 'register') return undefined
  const refuse = (code: ErrorCode) => refusal(sender, code, echoOf(message))
  const id = requestId(message.request_id)
  // Whether it fits is seen in the answer; a plain peer would not be told if not.
  const isPlain = sender.features.length === 0
  const hasAcks = sender.features.includes('acks')
  const isRequest = message.request_id !== undefined && message.request_id !== null
  if (hasAcks && isRequest && id === undefined) return refuse('INVALID_MESSAGE')
  // Nobody here has a session that goes on.
  if (message.type === 'resume') return refuse('RESUME_FAILED')
  if (!sender.isRegistered) return refuse('NOT_IN_ROOM')

  const isSigned = (name: unknown) => name === undefined || (typeof name === 'string' && nfc(name) === nfc(sender.id))
  const done = (...deliveries: (readonly [Member, string])[]): Outcome => ({
    answers: hasAcks && id !== undefined ? [answer('ack', { type: 'ack', request_id: id, status: 'delivered' })] : [],
    deliveries,
  })
  const relay = (named: unknown, code: ErrorCode, copy: string): Outcome | undefined => {
    const target = room.find(member => nfc(member.id) === nfc(String(named)))
    if (target && target !== sender && !target.isSettled) return undefined
    return target && meet(sender, target) ? done([target, copy]) : refuse(code)
  }
  const reply = (due: string, fits: (message: Json) => boolean): Outcome => ({
    answers: [{ due, fits: message => message.request_id === id && fits(message) }],
    deliveries: [],
  })
  const me = JSON.stringify(sender.id)
  const raw = (name: string) => membersOf(text).get(name)

  if (signals.includes(message.type)) {
    if (!isSigned(message.sender)) return refuse('SENDER_MISMATCH')
    const open = text.indexOf('{') + 1
    const named = `${text.slice(0, open)}"sender":${me},${text.slice(open)}`
    return relay(message.target, 'PEER_NOT_FOUND', message.sender === undefined ? named : text)
  }
  if (!isSigned(message.type === 'update_metadata' ? message.peer_id : message.from_peer_id)) {
    return refuse('SENDER_MISMATCH')
  }
  const channel = typeof message.channel === 'string' ? message.channel : undefined
  switch (message.type) {
    case 'peer_message': {
      const to = JSON.stringify(message.to_peer_id)
      const copy = `{"type":"peer_message","from_peer_id":${me},"to_peer_id":${to},"payload":${raw('payload')}}`
      return relay(message.to_peer_id, 'PEER_NOT_IN_ROOM', copy)
    }
    case 'mesh_connect':
    case 'mesh_answer':
    case 'ice_candidate': {
      const [type, member] = mesh[message.type]
      const copy = `{"type":"${type}","from_peer_id":${me},"${member}":${raw(member)}}`
      return relay(message.target_peer_id, 'PEER_NOT_FOUND', copy)
    }
    case 'broadcast': {
      if (channel !== undefined && !sender.channels.includes(channel)) return refuse('NOT_IN_CHANNEL')
      const head = channel === undefined ? '' : `,"channel":${JSON.stringify(channel)}`
      const copy = `{"type":"broadcast","from_peer_id":${me}${head},"payload":${raw('payload')}}`
      const hears = (member: Member) =>
        channel === undefined ? meet(sender, member) : member.channels.includes(channel)
      return done(...room.filter(member => member !== sender && hears(member)).map(member => [member, copy] as const))
    }
    case 'join_channel':
      if (sender.isSettled || channel === undefined) return undefined
      if (sender.channels.includes(channel)) return done()
      if (sender.channels.length >= 32) return refuse('LIMIT_REACHED')
      sender.channels = [...sender.channels, channel]
      return done()
    case 'leave_channel':
      if (sender.isSettled || channel === undefined) return undefined
      if (!sender.channels.includes(channel)) return refuse('NOT_IN_CHANNEL')
      sender.channels = sender.channels.filter(name => name !== channel)
      return done()
    case 'query': {
      const isRight = rosterCheck(sender, room)
      return reply('available_peers', ({ type, peers }) => type === 'available_peers' && isRight(peers, true))
    }
    case 'discover_peers': {
      const isRight = rosterCheck(sender, room)
      const isWhole = Object.keys(Object(message.filters)).length === 0
      if (isPlain && !isWhole) return undefined
      return reply('peer_list', ({ type, code, count, peers }) => {
        if (type === 'error') return code === 'INVALID_MESSAGE' && !isWhole
        if (type !== 'peer_list' || !Array.isArray(peers) || count !== peers.length) return false
        return isRight(
          peers.map(peer => peer.peer_id),
          isWhole,
        )
      })
    }
    case 'update_metadata':
      if (isPlain) return undefined
      return reply('metadata_updated', ({ type, code, peer_id, metadata }) =>
        type === 'metadata_updated'
          ? peer_id === sender.id && JSON.stringify(metadata).length <= 16_384
          : type === 'error' && (code === 'INVALID_MESSAGE' || code === 'LIMIT_REACHED'),
      )
    case 'renew':
      return refuse('INVALID_TOKEN')
    case 'get_ice_servers':
      return reply('ice_servers', ({ type }) => type === 'ice_servers')
  }
  throw new Error(`The model does not know ${message.type}.`)
}

const mesh = {
  mesh_connect: ['mesh_offer', 'offer'],
  mesh_answer: ['mesh_answer', 'answer'],
  ice_candidate: ['ice_candidate', 'candidate'],
} as const

/** Whether two members may know of each other. */
export function meet(a: Member, b: Member): boolean {
  if (a.channels.length === 0 && b.channels.length === 0) return true
  return a.channels.some(channel => b.channels.includes(channel))
}

/** Whether a list of ids has nobody in it that `sender` may not know of, and, where it `isWhole`, all that it may. */
function rosterCheck(sender: Member, room: readonly Member[]) {
  const settled = room.filter(member => member.isSettled && member !== sender)
  const near = settled.filter(member => meet(sender, member)).map(({ id }) => id)
  const far = settled.filter(member => !meet(sender, member)).map(({ id }) => id)
  return (ids: unknown, isWhole: boolean): boolean =>
    Array.isArray(ids) &&
    !ids.includes(sender.id) &&
    !far.some(id => ids.includes(id)) &&
    (!isWhole || near.every(id => ids.includes(id)))
}

function answer(due: string, members: Json): Answer {
  return { due, fits: message => Object.entries(members).every(([name, value]) => message[name] === value) }
}

/** A plain peer hears of what is wrong with a `register` alone. */
function refusal(sender: Member, code: ErrorCode, echo: Echo): Outcome {
  if (sender.isRegistered && sender.features.length === 0 && !echo.isRegister) return silence
  const { requestId: request_id, target, targetPeerId: target_peer_id } = echo
  const due = `error ${code} ${JSON.stringify({ request_id, target, target_peer_id })}`
  return { answers: [answer(due, { type: 'error', code, request_id, target, target_peer_id })], deliveries: [] }
}

const relayed = [...signals, 'peer_message', 'mesh_offer', 'mesh_answer', 'ice_candidate', 'broadcast']
const presence = ['peer_joined', 'peer_left', 'peer_updated', 'peers_changed']

/** What somebody was sent, sorted: what others sent, what it is told of them, and answers. */
export function sort(texts: readonly string[]) {
  const fromOthers: { readonly text: string; readonly sender: string }[] = []
  const events: Json[] = []
  const answers: Json[] = []
  for (const text of texts) {
    const message: unknown = JSON.parse(text)
    if (!isObject(message)) throw new Error(`no object: ${text}`)
    const type = String(message.type)
    if (relayed.includes(type)) {
      fromOthers.push({ text, sender: nfc(String(signals.includes(type) ? message.sender : message.from_peer_id)) })
    } else {
      ;(presence.includes(type) ? events : answers).push(message)
    }
  }
  return { fromOthers, events, answers }
}
