import { startAws } from '../../../e2e/aws/set-up.ts'
import { createRoom, firstText, parleyPairs, registerFrame, signIn } from '../load/peers.ts'
import { type Latency, steady } from '../load/steady.ts'
import { openWire } from '../load/wire.ts'
import { cleanUp, startParley, temporaryFolder } from '../processes.ts'
import { median } from '../stats.ts'

/**
 * How long messages between registered peers take while Cognito or DynamoDB hangs and others ask for what needs them,
 * beside how long they take while both answer the same questions, and while nobody asks any.
 */

/** Messages of 2 KB a second, and seconds of each part of a round: more than any deadline. */
const perSecond = 5_000
const seconds = 5
const rounds = 5
/** Sign-ins and registrations on new connections, in turns, whatever comes back: so those that are not answered add up. */
const questionsPerSecond = 40

process.on('exit', cleanUp)
const aws = await startAws()
const server = await startParley(temporaryFolder(), aws.settings)
const http = server.http ?? ''
const pairs = await parleyPairs(server.ws, http, 50)
const idToken = await signIn(http)
const room = await createRoom(http, idToken)

const states = ['nobody asks', 'both answer', 'cognito hangs', 'dynamodb hangs'] as const
const results = new Map<string, { readonly latency: Latency; readonly answered: Answered }[]>()
await steady(pairs, 'offer', perSecond, seconds / 3)
for (let round = 0; round < rounds; round++) {
  for (const state of states) {
    console.error(`... round ${round + 1}: ${state}`)
    if (state === 'cognito hangs') aws.cognito.fault('hung')
    if (state === 'dynamodb hangs') aws.dynamodb.fault('hung')
    const questions = ask(state === 'nobody asks' ? 0 : questionsPerSecond)
    const latency = await steady(pairs, 'offer', perSecond, seconds)
    const answered = await questions.stop()
    aws.cognito.fault('none')
    aws.dynamodb.fault('none')
    results.set(state, [...(results.get(state) ?? []), { latency, answered }])
  }
}

console.log('| | p50 | p99 | longest | answered with success | with UNAVAILABLE | after at most |')
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const [state, measured] of results) {
  const of = (figure: keyof Latency) => `${median(measured.map(({ latency }) => latency[figure])).toFixed(2)} ms`
  const sum = (figure: 'served' | 'refused') => measured.reduce((total, { answered }) => total + answered[figure], 0)
  const longest = Math.max(...measured.map(({ answered }) => answered.longest))
  const cells = [state, of('p50'), of('p99'), of('max'), sum('served'), sum('refused'), `${longest.toFixed(0)} ms`]
  console.log(`| ${cells.join(' | ')} |`)
}
await server.stop()
await aws.stop()
process.exit(0)

interface Answered {
  readonly served: number
  readonly refused: number
  /** Milliseconds. */
  readonly longest: number
}

/** Asks at a steady rate until it is stopped, and then waits for all answers. */
function ask(perSecond: number): { stop(): Promise<Answered> } {
  let [served, refused, longest] = [0, 0, 0]
  const asked: Promise<void>[] = []
  const next = () => void asked.push(time(asked.length % 2 === 0 ? signingIn : registering))
  const timer = perSecond > 0 ? setInterval(next, 1000 / perSecond) : undefined
  const time = async (question: () => Promise<boolean>) => {
    const begin = performance.now()
    const isServed = await question()
    longest = Math.max(longest, performance.now() - begin)
    if (isServed) served++
    else refused++
  }
  const signingIn = async () => {
    const response = await fetch(`${http}/anonymous-signin`, { method: 'POST' })
    await response.text()
    if (!response.ok && response.status !== 503) throw new Error(`a sign-in was answered with ${response.status}`)
    return response.ok
  }
  const registering = async () => {
    const wire = await openWire(server.ws)
    const answer = firstText(wire)
    wire.send(registerFrame(crypto.randomUUID(), room, idToken))
    const text = await answer
    wire.onClose = () => {}
    wire.close()
    if (text.startsWith('{"type":"registered_auth"')) return true
    if (text.includes('"UNAVAILABLE"')) return false
    throw new Error(`a register was answered with ${text}`)
  }
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(asked)
      return { served, refused, longest }
    },
  }
}
