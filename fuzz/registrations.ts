import { type Expected, expected, nfc, requestId } from './contract.ts'
import { frame, type Vocabulary } from './messages.ts'
import type { Random } from './random.ts'
import { type Fault, fault } from './target.ts'
import { firstVictim, settle, type World } from './world.ts'

const attemptsPerCase = 20

/** Tries to register, again and again on one connection, and holds each answer against the order of docs/protocol.md. */
export async function faultOfRegistrations(
  random: Random,
  world: World,
  at: number,
  count: (inputs: number) => void,
): Promise<Fault | undefined> {
  const { room, otherRoom, victims } = world
  const [mine, socket] = await Promise.all([world.signIn(), world.connect()])
  const granted = new Set<string>()
  const taken = [firstVictim, 'Zoe\u0308', 'v-plain', 'v-blue', 'v-secret']
  const words: Vocabulary = {
    peers: [...taken, 'v-elsewhere'],
    channels: ['c1', 'caf\u00e9'],
    rooms: [room.room_id, room.room_id, room.room_id, otherRoom.room_id, 'nowhere'],
    tokens: [room.token, room.token, room.token, `${room.token.slice(0, -1)}_`, `${room.token}_`, ''],
    idTokens: [mine, mine, mine, mine, `${mine.slice(0, -6)}AAAAAA`, room.token],
    self: [`r-${at}`, `r2-${at}`, `Zo\u00eb-${at}`],
  }
  try {
    for (let n = 0; n < attemptsPerCase; n++) {
      const text = registerFrame(random, words)
      if (text === undefined) continue
      socket.sendText(text)
      // A register after the other: there is one answer to each, and the probe comes under the name that it has then.
      await socket.until(texts => texts.some(isAnswer))
      const answers = socket.texts.splice(0).filter(isAnswer)
      const due = verdictOn(expected(text), { mine, world, taken })
      const message = JSON.parse(answers[0] ?? '{}')
      count(1)
      if (answers.length !== 1 || !due.fits(message)) return fault('register', `${text}: ${answers}, not ${due.due}`)
      if (message.type === 'registered_auth') granted.add(nfc(message.peer_id))
      socket.sendText(`{"type":"offer","target":"${firstVictim}"}`)
      await settle(socket)
    }
    for (const { socket } of world.others) {
      const texts = await settle(socket)
      if (texts.length > 0) return fault('other room', texts.join())
    }
    for (const text of victims[0] ? await settle(victims[0].socket) : []) {
      const { type, sender } = JSON.parse(text)
      if (type === 'offer' && !granted.has(nfc(sender))) return fault('sender', text)
    }
    return undefined
  } catch (error) {
    return fault('ended', `${error}`)
  } finally {
    await socket.close()
  }
}

const isAnswer = (text: string) => /^\{"type":"(registered_auth|error)"/.test(text) && !text.includes('"NOT_IN_ROOM"')

/** A `register`, or something that was meant to be one. */
function registerFrame(random: Random, words: Vocabulary): string | undefined {
  for (let tries = 0; tries < 60; tries++) {
    const text = frame(random, words).toWellFormed()
    const due = expected(text)
    const isRegister = 'code' in due ? due.echo.isRegister : due.message.type === 'register'
    if (isRegister && Buffer.byteLength(text) < 60_000) return text
  }
  return undefined
}

interface Circumstances {
  readonly mine: string
  readonly world: World
  readonly taken: readonly string[]
}

/** What a `register` is to be answered with. */
function verdictOn(reading: Expected, { mine, world: { room, otherRoom }, taken }: Circumstances) {
  const refused = (code: string, id: string | undefined) => ({
    due: code,
    fits: (message: { [name: string]: unknown }) => message.code === code && message.request_id === id,
  })
  if ('code' in reading) return refused(reading.code, reading.echo.requestId)
  const { peer_id, room_id, token, id_token, features, request_id, metadata } = reading.message
  const id = requestId(request_id)
  const asked = Array.isArray(features) ? features : []
  const isUnanswerable = request_id !== undefined && request_id !== null && id === undefined
  if (asked.includes('acks') && isUnanswerable) return refused('INVALID_MESSAGE', undefined)
  if (id_token !== mine) return refused('INVALID_TOKEN', id)
  if (room_id !== room.room_id && room_id !== otherRoom.room_id) return refused('ROOM_NOT_FOUND', id)
  if (room_id !== room.room_id || token !== room.token) return refused('INVALID_ROOM_TOKEN', id)
  const name = nfc(String(peer_id))
  if (taken.some(other => nfc(other) === name)) return refused('PEER_ID_TAKEN', id)
  const granted = ['acks', 'presence', 'channels', 'token-refresh', 'resume'].filter(feature => asked.includes(feature))
  return {
    due: `registered_auth of ${peer_id} with ${granted} ${JSON.stringify(metadata).length}`,
    fits: (message: { [name: string]: unknown }) =>
      message.type === 'registered_auth' &&
      message.peer_id === peer_id &&
      message.room_id === room_id &&
      message.request_id === id &&
      Bun.deepEquals(message.features, granted),
  }
}
