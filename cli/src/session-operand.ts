import { UsageError } from './failure.ts'
import { parseSession, type Session } from './session.ts'

/** The session that a command was given, and nothing else. @throws UsageError, ParleyError INVALID_ARGUMENT */
export function theSession(operands: readonly string[], command: string): Session {
  const [session, extra] = operands
  if (session === undefined) {
    throw new UsageError('Which session? It is the line that “parley worker” prints.', command)
  }
  if (extra !== undefined) {
    throw new UsageError(`“${extra}” is one too many; a session with spaces or # needs quotes.`, command)
  }
  return parseSession(session)
}
