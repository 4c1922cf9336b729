import { createPrivateKey } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { type CognitoLocal, type Pool, signingKey, startCognitoLocal } from '../../e2e/aws/cognito-local.ts'
import { type FaultProxy, startFaultProxy } from '../../e2e/aws/fault-proxy.ts'
import { type Clock, manualClock } from '../src/clock.ts'
import { type CognitoConfig, cognito } from '../src/identity/cognito.ts'
import type { Identity } from '../src/identity/identity.ts'
import type { Log } from '../src/log.ts'
import { adapterTimeout } from '../src/resilience/deadline.ts'

export const region = 'us-east-1'

/** All of one call must be over by then. Milliseconds. */
const adapterDeadline = 4_000

/** Credentials for the SDK, which the emulator does not check, and from nowhere else. */
const credentials = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: join(tmpdir(), 'parley-no-such-file'),
  AWS_SHARED_CREDENTIALS_FILE: join(tmpdir(), 'parley-no-such-file'),
}

/** Sets environment variables, or takes them away. @returns what puts those from before back */
export function setEnvironment(variables: Record<string, string | undefined>): () => void {
  const before = Object.keys(variables).map(name => [name, process.env[name]] as const)
  const set = (entries: readonly (readonly [string, string | undefined])[]) => {
    for (const [name, value] of entries) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  set(Object.entries(variables))
  return () => set(before)
}

/**
 * A clock that stands still, except that the pauses between two tries pass at once, or when the test says so.
 * Whatever is shorter than one try is such a pause.
 */
export interface TestClock extends Clock {
  advance(ms: number): void
  /**
   * Waits until something is planned that lies ahead for longer than a deadline, and goes on to then, and no further.
   * @returns the milliseconds until then
   */
  advanceToPlan(): Promise<number>
  /** From now on pauses last until `advance`. Resolves when the next one begins. */
  nextPause(): Promise<void>
  /**
   * The outcome of `promise`, while time goes by ten times as fast as it does, but only up to the deadline of an
   * adapter: what needs longer has no outcome.
   */
  whilePassing<T>(promise: Promise<T>): Promise<T>
}

export function testClock(): TestClock {
  const clock = manualClock(Date.now())
  const plans = new Set<{ readonly at: number }>()
  let onPlan: (() => void) | undefined
  let onPause: (() => void) | undefined
  let isHeld = false
  return {
    ...clock,
    after(ms, act) {
      if (ms > adapterTimeout) {
        const plan = { at: clock.uptime() + ms }
        plans.add(plan)
        onPlan?.()
        const forget = () => plans.delete(plan)
        const cancel = clock.after(ms, () => {
          forget()
          act()
        })
        return () => {
          forget()
          cancel()
        }
      }
      if (ms >= 1_500) return clock.after(ms, act)
      onPause?.()
      if (isHeld) return clock.after(ms, act)
      const timer = setTimeout(act)
      return () => clearTimeout(timer)
    },
    async advanceToPlan() {
      if (plans.size === 0) {
        await new Promise<void>(resolve => {
          onPlan = resolve
        })
      }
      const ms = Math.min(...[...plans].map(({ at }) => at)) - clock.uptime()
      clock.advance(ms)
      return ms
    },
    nextPause() {
      isHeld = true
      return new Promise(resolve => {
        onPause = resolve
      })
    },
    async whilePassing(promise) {
      let isOver = false
      const over = () => {
        isOver = true
      }
      promise.then(over, over)
      for (let passed = 0; !isOver && passed < adapterDeadline; passed += 50) {
        await new Promise(resolve => setTimeout(resolve, 5))
        if (!isOver) clock.advance(50)
      }
      return promise
    },
  }
}

/** A log that is kept. */
export interface KeptLog extends Log {
  /** What was logged: the message, with its context. */
  readonly lines: readonly { readonly msg: string; readonly [name: string]: unknown }[]
  /** Resolves when `msg` has been logged. */
  said(msg: string): Promise<void>
}

/** @param isKept otherwise what is said of the clock is not, as those of tests are ahead of that of the emulator */
export function keptLog(isKept = (msg: string) => !msg.startsWith('clock ')): KeptLog {
  const lines: { msg: string }[] = []
  const waiting = new Map<string, () => void>()
  const write = (context: object, msg: string) => {
    if (!isKept(msg)) return
    lines.push({ ...context, msg })
    waiting.get(msg)?.()
  }
  const said = (msg: string) =>
    lines.some(line => line.msg === msg) ? Promise.resolve() : new Promise<void>(resolve => waiting.set(msg, resolve))
  const log = { debug: write, info: write, warn: write, error: write, fatal: write }
  return { ...(log as unknown as Log), lines, said }
}

/** A Cognito with one pool, behind a fault proxy. */
export interface CognitoWorld extends Pool, AsyncDisposable {
  readonly emulator: CognitoLocal
  readonly proxy: FaultProxy
  /** Opens an adapter on the pool. Its folder is removed when the world ends. */
  open(parts?: Partial<CognitoConfig> & { clock?: Clock; log?: Log; endpoint?: string }): Promise<Identity>
  newFolder(): Promise<string>
  /** The fault proxy has been asked for what is named like this so often. */
  asked(name: RegExp, times: number): Promise<void>
  /** A token that the pool's key signs, an ID token of the pool and the client except for these claims. */
  token(claims?: object, header?: object): Promise<string>
}

export async function startCognitoWorld(): Promise<CognitoWorld> {
  const emulator = await startCognitoLocal(region)
  const pool = await emulator.createPool()
  const proxy = await startFaultProxy(emulator.url)
  const folders: string[] = []
  const opened: Identity[] = []
  const key = createPrivateKey(signingKey.pem)
  const restore = setEnvironment(credentials)

  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
    folders.push(folder)
    return folder
  }
  return {
    emulator,
    proxy,
    ...pool,
    newFolder,
    async open({ clock = testClock(), log = keptLog(), endpoint = proxy.url, ...config } = {}) {
      const folder = config.folder ?? (await newFolder())
      const restore = setEnvironment({ AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: endpoint })
      try {
        const identity = await cognito({ region, ...pool, folder, ...config }, clock, log)
        opened.push(identity)
        return identity
      } finally {
        restore()
      }
    },
    async asked(name, times) {
      while (proxy.seen.filter(seen => name.test(seen)).length < times) await new Promise(setImmediate)
    },
    token: (claims = {}, header = {}) => {
      const now = Math.floor(Date.now() / 1000)
      const usual = {
        sub: crypto.randomUUID(),
        aud: pool.clientId,
        iss: `https://cognito-idp.${region}.amazonaws.com/${pool.userPoolId}`,
        token_use: 'id',
        iat: now,
        exp: now + 3600,
      }
      const payload = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined)
      return new SignJWT(Object.fromEntries(payload))
        .setProtectedHeader({ alg: 'RS256', kid: signingKey.kid, ...header })
        .sign(key)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map(identity => identity.close()))
      await proxy.close()
      await emulator.stop()
      restore()
      for (const folder of folders) await rm(folder, { recursive: true })
    },
  }
}
