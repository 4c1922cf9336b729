import {
  type Attribute,
  attributes,
  type Endpoint,
  type IncomingMessage,
  lifetime,
  longTermKey,
  type Method,
  relayForUdp,
  text,
} from './stun.ts'
import { type StunClient, StunRefusal } from './stun-client.ts'
import { Trouble } from './trouble.ts'

export interface TurnCredentials {
  readonly username: string
  readonly credential: string
}

export interface Allocation {
  readonly relayed: Endpoint
  /** Whether the server would have given it to anybody. */
  readonly isOpen: boolean
  /** Gives it back. What the server says to that is of no interest: it would end by itself. */
  release(): Promise<void>
}

/** Times that a nonce may be outdated before this is given up. */
const mostNonces = 3

/**
 * Asks for a relay: once without credentials, as the server tells its realm and nonce only then, and then with them
 * (RFC 8489 section 9.2, RFC 8656 section 7).
 * @throws StunRefusal: with code 401 the credentials are refused; Trouble, Error with a code of Node, or the reason of
 * the client's signal
 */
export async function allocate(client: StunClient, credentials: TurnCredentials): Promise<Allocation> {
  const first = await client.request('allocate', [relayForUdp])
  if (!first.error) return allocation(first, true, () => client.request('refresh', [lifetime(0)]))
  const session = new Session(client, credentials, challengeOf(first))
  const answer = await session.request('allocate', [relayForUdp])
  return allocation(answer, false, () => session.request('refresh', [lifetime(0)]))
}

function allocation({ relayed }: IncomingMessage, isOpen: boolean, giveBack: () => Promise<unknown>): Allocation {
  if (!relayed) throw new Trouble('It answers without the address of a relay.')
  return {
    relayed,
    isOpen,
    release: () =>
      giveBack().then(
        () => {},
        () => {},
      ),
  }
}

interface Challenge {
  readonly realm: string
  readonly nonce: string
}

/** @throws StunRefusal, if the answer is no challenge */
function challengeOf({ error, realm, nonce }: IncomingMessage): Challenge {
  const isChallenge = error?.code === 401 || error?.code === 438
  if (!isChallenge) throw new StunRefusal(error?.code ?? 0, error?.reason ?? '')
  if (realm === undefined || nonce === undefined)
    throw new Trouble('It asks for credentials without a realm and a nonce.')
  return { realm, nonce }
}

/** Requests with long-term credentials. */
class Session {
  constructor(
    private readonly client: StunClient,
    private readonly credentials: TurnCredentials,
    private challenge: Challenge,
  ) {}

  /** @throws StunRefusal and what else `StunClient.request` throws; Trouble, if the answer is not the server's */
  async request(method: Method, more: readonly Attribute[]): Promise<IncomingMessage> {
    for (let nonces = 1; ; nonces++) {
      const { realm, nonce } = this.challenge
      const { username, credential } = this.credentials
      const key = longTermKey(username, realm, credential)
      const own = [text(attributes.username, username), text(attributes.realm, realm), text(attributes.nonce, nonce)]
      const answer = await this.client.request(method, [...more, ...own], key)
      if (!answer.error) {
        if (!answer.isSignedWith(key)) throw new Trouble('Its answer is not signed with the credentials.')
        return answer
      }
      if (answer.error.code !== 438 || nonces === mostNonces)
        throw new StunRefusal(answer.error.code, answer.error.reason)
      this.challenge = challengeOf(answer)
    }
  }
}
