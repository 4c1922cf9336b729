import { ParleyError } from '@parley/client'
import { reasonOf, systemCode } from './system-errors.ts'

/** What a command ends with; `parley --help` tells them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'

  /** @param command whose help page says more */
  constructor(
    message: string,
    readonly command?: string,
  ) {
    super(message)
  }
}

/** Something that this program says itself, with a code that stays the same and what to do about it. */
export class Failure extends Error {
  override readonly name = 'Failure'

  constructor(
    readonly code: string,
    message: string,
    readonly advice?: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** An error of the system. @param what as "notes.txt cannot be read" */
export function systemFailure(what: string, error: unknown, advice?: string): Failure {
  const code = systemCode(error)
  const reason = reasonOf(code) ?? (error instanceof Error ? error.message : String(error))
  return new Failure(code || 'FILE_FAILED', `${what}: ${reason}.`, advice, { cause: error })
}

export interface Explanation {
  readonly code: string
  /** Ends with a full stop. */
  readonly sentence: string
  /** What to do; a sentence, too. */
  readonly advice: string | undefined
  readonly exitCode: number
}

/** What to do about the errors of the SDK, as far as there is something. */
const advices: { readonly [code: string]: string } = {
  DISCONNECTED:
    'Check that the server runs and that the address is right; “parley doctor URL” finds out what is wrong.',
  TIMEOUT: 'Try again; “parley doctor URL” finds out what is wrong.',
  UNREACHABLE: '“parley doctor URL” checks whether the server has STUN and TURN servers, and whether they answer.',
  ROOM_NOT_FOUND: 'The worker has ended, or its room has: ask for a new session.',
  ROOM_EXPIRED: 'Ask the worker for a new session.',
  ROOM_DELETED: 'Ask the worker for a new session.',
  INVALID_ROOM_TOKEN: 'Copy the whole session again.',
  INVITE_EXPIRED: 'Ask for another invitation.',
  INVITE_USED: 'Ask for another invitation.',
  ROOM_LOCKED: 'The owner of the room lets nobody in at the moment.',
  ROOM_FULL: 'Try again when somebody has left.',
  PEER_ID_TAKEN: 'Take another --peer-id.',
  PEER_NOT_FOUND: 'The worker has ended, or has another name by now: “parley peers SESSION” shows who is there.',
  DECLINED: 'The other side lets nobody in, or not this file.',
  RATE_LIMITED: 'Wait a little and try again.',
  UNAVAILABLE: 'Try again in a moment.',
  CORRUPTED: 'Send the file again.',
  CHANNEL_CLOSED: 'Try again when the other side is there.',
}

/** An error as people and scripts are told it, without a stack trace. */
export function explain(error: unknown): Explanation {
  if (error instanceof UsageError) {
    const help = error.command === undefined ? 'parley --help' : `parley ${error.command} --help`
    return { code: 'USAGE', sentence: error.message, advice: `“${help}” explains it.`, exitCode: exitCodes.usage }
  }
  if (error instanceof Failure) {
    return { code: error.code, sentence: error.message, advice: error.advice, exitCode: exitCodes.failed }
  }
  if (error instanceof ParleyError) {
    const exitCode = error.code === 'INVALID_ARGUMENT' ? exitCodes.usage : exitCodes.failed
    return { code: codeOf(error), sentence: error.message, advice: adviceOf(error), exitCode }
  }
  const sentence = error instanceof Error ? error.message : String(error)
  return {
    code: 'INTERNAL',
    sentence: `Something has happened that should not: ${sentence}`,
    advice: 'PARLEY_DEBUG=1 shows where; please report it.',
    exitCode: exitCodes.failed,
  }
}

/** `sentence (CODE). Advice.` */
export const told = ({ sentence, code, advice }: Explanation): string =>
  `${sentence.replace(/[.:]$/, '')} (${code}).${advice === undefined ? '' : ` ${advice}`}`

/** That of the SDK, and the system's own behind it, as ENOSPC. */
function codeOf({ code, cause }: ParleyError): string {
  const system = systemCode(cause)
  return code === 'FILE_FAILED' && reasonOf(system) !== undefined ? `${code}, ${system}` : code
}

function adviceOf({ code, retryAfter }: ParleyError): string | undefined {
  if (retryAfter !== undefined) return `Try again in ${Math.ceil(retryAfter)} s.`
  return advices[code]
}

/** All there is to know of an error, with what has caused it. For PARLEY_DEBUG. */
export function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${traceOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
