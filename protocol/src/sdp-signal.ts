import type { Signal } from './messages.ts'

/** `{type, sender, target, sdp}` in the order of the quick reference, as JSON.stringify and Python's json.dumps write it. */
const head = /^\{"type": ?"(offer|answer)", ?"sender": ?"([^"\\]*)", ?"target": ?"([^"\\]*)", ?"sdp": ?"/

/**
 * What must not stand in a JSON string (RFC 8259 section 7): control characters, and a backslash before anything that it
 * cannot escape. `\u` counts as that, too, since what follows it would have to be looked at.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const suspicious = /[\x00-\x1f]|\\[^\\/bfnrt]/

/**
 * Reads an offer or an answer of the usual form without making a string of its SDP, which is most of what JSON.parse
 * would do. It says nothing of any text but one that JSON.parse takes and reads alike: the members in this order, none
 * twice, no quote in the SDP before the last, and no escape in it that could be wrong.
 * @returns undefined if the text is of another form; it may be right nevertheless
 */
export function readSdpSignal(text: string): Signal | undefined {
  const match = head.exec(text)
  if (!match) return undefined
  const [{ length: start }, type, sender, target] = match
  const end = text.length - 2
  if (text.indexOf('"', start) !== end || text.charCodeAt(end + 1) !== 125 /* } */) return undefined
  if (suspicious.test(text)) return undefined
  return { type: type as 'offer' | 'answer', sender, target: target as string }
}
