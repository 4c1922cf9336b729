import { isUtf8 } from 'node:buffer'
import type { OpenApi } from '../server/src/api/openapi.ts'
import { type Answer, HttpConnection } from './http-client.ts'
import { bodyLimit, codeIn, Documented, verdictOnBody } from './http-contract.ts'
import type { Loot } from './http-headers.ts'
import { makeRequest, type Request } from './http-requests.ts'
import { Random } from './random.ts'
import type { RawWebSocket } from './raw-websocket.ts'
import { shrink } from './shrink.ts'
import { type Fault, fault, type Run, type Target } from './target.ts'
import { addresses, openWorld, register, type World } from './world.ts'

const requestsPerCase = 400
const connections = 8
const casesPerWorld = 100
/** Bytes of the head of a request. */
const longestHead = 16_000

/** HTTP on a live server: every route, with bodies, headers and paths of all sorts. A case is some hundred requests. */
export const httpTarget: Target = {
  name: 'http',
  async run(run) {
    const { seed, first, begin, count } = run
    let ground = await openGround()
    try {
      for (let at = first; begin(at); at++) {
        if (at > first && (at - first) % casesPerWorld === 0) {
          await ground.close()
          ground = await openGround()
        }
        const found = await ground.faultOf(seed, at)
        if (found) return { at, ...(await smallest(run, at, found)) }
        count(requestsPerCase)
      }
      return undefined
    } finally {
      await ground.close()
    }
  },
}

/** The fewest requests of the case that have a fault of the same kind. */
async function smallest({ seed, shrinkFor, alive }: Run, at: number, found: Fault) {
  let last = { fault: found, input: '(the whole case)' }
  let ground = await openGround()
  const fails = async (numbers: readonly number[]) => {
    alive()
    const chosen = new Set(numbers)
    const sent: Request[] = []
    const result = await ground.faultOf(seed, at, (request, n) => chosen.has(n) && sent.push(request) > 0)
    if (result?.kind !== found.kind) return false
    last = { fault: result, input: sent.slice(0, 20).map(show).join('\n    ') }
    // Whatever is broken now must not count for the next try.
    await ground.close()
    ground = await openGround()
    return true
  }
  await shrink([...Array(requestsPerCase).keys()], fails, shrinkFor)
  await ground.close()
  return last
}

const show = ({ wire }: Request) => JSON.stringify(wire.subarray(0, 1500).toString())

/** A server, and an owner whose rooms must stay as they are. */
async function openGround() {
  const world = await openWorld()
  const documented = new Documented((await (await fetch(`${world.http}/openapi.json`)).json()) as OpenApi)
  const asVictim = async (path: string) => {
    const headers = { Authorization: `Bearer ${world.owner}`, 'X-Forwarded-For': addresses.victim }
    return (await fetch(world.http + path, { headers })).text()
  }
  const theirs = () => Promise.all([world.room, world.otherRoom].map(({ room_id }) => asVictim(`/rooms/${room_id}`)))
  const before = await theirs()
  const pool = Array.from({ length: connections }, () => new HttpConnection(world.http))

  return {
    /** What is wrong in the case, or in as much of it as `isSent` lets through. */
    async faultOf(seed: number, at: number, isSent = (_: Request, __: number): unknown => true) {
      const { loot, peer } = await plunder(world, at)
      try {
        const random = new Random(seed, at)
        const all = Array.from({ length: requestsPerCase }, () => makeRequest(random, documented.operations, loot))
        const requests = all.filter(isSent)
        const faults = pool.map(async (connection, n) => {
          for (let next = n; next < requests.length; next += connections) {
            const request = requests[next]
            const found =
              request &&
              faultOfAnswer(request, await connection.ask(request.wire, request.method !== 'HEAD'), documented)
            if (found) return found
          }
          return undefined
        })
        const found = (await Promise.all(faults)).find(found => found !== undefined)
        if (found) return found
        const after = await theirs()
        if (!Bun.deepEquals(after, before)) return fault('rooms of others', `${after} instead of ${before}`)
        return await world.check()
      } finally {
        peer.cut()
      }
    },
    async close() {
      for (const connection of pool) connection.close()
      await world[Symbol.asyncDispose]()
    },
  }
}

/** What the attacker may have: two identities, a room with a peer and an invitation. */
async function plunder(world: World, at: number): Promise<{ loot: Loot; peer: RawWebSocket }> {
  const post = async (path: string, idToken?: string) => {
    const headers = { 'X-Forwarded-For': addresses.attacker, ...(idToken && { Authorization: `Bearer ${idToken}` }) }
    return (await (await fetch(world.http + path, { method: 'POST', headers })).json()) as { [name: string]: string }
  }
  const { id_token: mine = '', refresh_token: refreshToken = '' } = await post('/anonymous-signin')
  const { room_id = '', token = '' } = await post('/create-room', mine)
  const invite = await post(`/rooms/${room_id}/invites`, mine)
  const peer = await world.connect()
  await register(peer, { room_id, token, peer_id: 'p', id_token: await world.signIn(), request_id: `p-${at}` })
  const loot = {
    ...{ mine, refreshToken, other: await world.signIn(), room: room_id, roomToken: token },
    ...{ invite: invite.token ?? '', victimRoom: world.room.room_id },
  }
  return { loot, peer }
}

/** What is wrong with the answer to a request; undefined if nothing is. */
function faultOfAnswer(request: Request, answer: Answer | undefined, documented: Documented): Fault | undefined {
  const { operation, method, path } = request
  const name = `${method} ${path.slice(0, 200)}`
  if (!answer) return fault('hung up', name)
  const { status, body } = answer
  const of = (kind: string, due: string) => fault(kind, `${name}: ${status} ${body.slice(0, 400)}, not ${due}`)
  // Bun reads no longer head, and answers before Parley has a say.
  if (status === 431 && request.headBytes > longestHead) return undefined
  const code = status >= 400 && method !== 'HEAD' ? codeIn(answer) : undefined
  if (typeof code === 'object') return code
  // Whether the limit or something else is met first, is nobody's business; where the body does not count, none is.
  if (code === 'MESSAGE_TOO_BIG') return request.body.length > bodyLimit ? undefined : of('limit', 'under the limit')
  if (operation === undefined || method === 'HEAD' || method === 'OPTIONS') {
    return status >= 500 ? of('status', 'less than 500') : undefined
  }
  if (!documented.operations.includes(operation)) {
    if (code !== 'METHOD_NOT_ALLOWED') return of('method', 'METHOD_NOT_ALLOWED')
    const template = operation.split(' ')[1]
    const due = documented.operations.filter(known => known.endsWith(` ${template}`)).map(known => known.split(' ')[0])
    const allowed = answer.headers.get('allow')?.split(', ') ?? []
    return Bun.deepEquals(allowed.sort(), due.sort()) ? undefined : of('allow', `Allow: ${due}`)
  }
  const isIdentity = documented.needsIdentity(operation)
  if (isIdentity && !request.isIdentified) return code === 'INVALID_TOKEN' ? undefined : of('identity', 'INVALID_TOKEN')
  if (isIdentity && code === 'INVALID_TOKEN') return of('identity', 'INVALID_TOKEN, as the token is right')
  if (request.body.length > bodyLimit && method !== 'GET' && !request.isChunked) return of('limit', 'MESSAGE_TOO_BIG')
  // What is no UTF-8 is refused, or read as U+FFFD, as the Python server did.
  const wrong = code === 'INVALID_JSON' && !isUtf8(request.body) ? code : verdictOnBody(operation, request.body)
  if (wrong && code !== wrong) return of('body', wrong)
  if (!wrong && status === 400) return of('body', 'refused, as it is right')
  if (!wrong && request.isOnVictim && code !== 'FORBIDDEN') return of('owner', 'FORBIDDEN')
  return documented.faultOf(operation, answer)
}
