import { RedisClient } from 'bun'
import type { Clock } from '../clock.ts'
import { TimedOut } from '../resilience/deadline.ts'
import { backoff, type Pauses } from '../resilience/retry.ts'

/** Milliseconds that one command may take. Callers that wait for several in a row have a deadline of their own. */
const answerWithin = 3_000

/** Milliseconds that a connection may take to be there, TLS and sign-in included. */
const connectWithin = 3_000

/** Between two attempts to connect: a server that starts again is to be found soon, whatever has failed before. */
const pauses: Pauses = [100, 1_000]

/** Answers by which a server says that another one is to be asked, or itself later; by its name that may be found by now. */
const isElsewhere = /^(?:READONLY|LOADING|MASTERDOWN|UNBLOCKED)\b/

const repeated = /, with args beginning with:.*/s

/** A script of Lua, which Redis runs in one step (redis.io, "Scripting with Lua"). */
export interface Script {
  readonly text: string
  /** SHA-1 of the text, in hex, by which the server knows it. */
  readonly digest: string
}

export function script(text: string): Script {
  return { text, digest: new Bun.CryptoHasher('sha1').update(text).digest('hex') }
}

/** One connection to Redis or Valkey, made again whenever it breaks. Nothing waits for it: without it every command fails at once. */
export interface Redis {
  readonly isConnected: boolean
  /** @returns the answer in the types of RESP3 @throws Error that the server gives, that there is no connection, or TimedOut */
  send(command: string, ...args: readonly string[]): Promise<unknown>
  /** Runs a script, which may touch `keys` alone. @throws as `send` */
  run(script: Script, keys: readonly string[], args?: readonly string[]): Promise<unknown>
  /** Calls `act` whenever there is a new connection. It may be to another server, or to one that has lost its memory. */
  onConnected(act: () => void): void
  /** What waits for an answer fails. */
  close(): void
}

/**
 * Opens one; the server may be away and come later.
 * @param url `redis:` or `rediss:` (TLS), with user and password if the server has them
 */
export function openRedis(url: string, clock: Clock): Redis {
  const listeners: (() => void)[] = []
  let client: RedisClient | undefined
  let failures = 0
  let isClosed = false
  connect()

  function connect(): void {
    const next = new RedisClient(url, {
      // A client that queues would do later what nobody waits for any more.
      enableOfflineQueue: false,
      // It gives up after some attempts, and does not say so.
      autoReconnect: false,
      connectionTimeout: connectWithin,
    })
    let isOver = false
    const lost = () => {
      if (isOver) return
      isOver = true
      if (client === next) client = undefined
      next.onclose = null
      next.close()
      if (!isClosed) clock.after(backoff(pauses, ++failures), () => isClosed || connect())
    }
    next.onclose = lost
    next.connect().then(() => {
      if (isOver || isClosed) return next.close()
      client = next
      failures = 0
      for (const act of listeners) act()
    }, lost)
  }

  async function send(command: string, ...args: readonly string[]): Promise<unknown> {
    const asked = client
    if (!asked) throw new Error('There is no connection to Redis.')
    try {
      return await inTime(clock, asked.send(command, [...args]))
    } catch (error) {
      const { message } = error as Error
      if (isElsewhere.test(message)) asked.onclose?.call(asked, error as Error)
      // A server that does not know a command repeats what it was given with it, which may be a secret.
      if (repeated.test(message)) throw new Error(message.replace(repeated, ''))
      throw error
    }
  }

  return {
    get isConnected() {
      return client !== undefined
    },
    send,
    async run({ text, digest }, keys, args = []) {
      const rest = [String(keys.length), ...keys, ...args]
      try {
        return await send('EVALSHA', digest, ...rest)
      } catch (error) {
        // The server has started since, or has never had it.
        if (!/^NOSCRIPT\b/.test((error as Error).message)) throw error
        return send('EVAL', text, ...rest)
      }
    },
    onConnected(act) {
      listeners.push(act)
      if (client) act()
    },
    close() {
      isClosed = true
      client?.close()
    },
  }
}

function inTime<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(answerWithin, () => reject(new TimedOut(answerWithin)))
    answer.then(resolve, reject).finally(cancel)
  })
}
