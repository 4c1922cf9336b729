import type { Signal } from './peer-messages.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: no JSON string may have them (RFC 8259 section 7)
const control = /[\x00-\x1f]/

/** What JSON is made of, by its codes. */
const space = 0x20
const quote = 0x22
const comma = 0x2c
const slash = 0x2f
const colon = 0x3a
const backslash = 0x5c
const closingBrace = 0x7d
/** What a backslash may stand before. */
const [b, f, n, r, t] = [0x62, 0x66, 0x6e, 0x72, 0x74]

/**
 * The offer or answer that `text` is, without its SDP, which is the business of nobody here: JSON.parse would unpack two kilobytes of
 * it. Undefined where it is neither, or not one of the members below as `JSON.stringify` and Python's `json.dumps` write
 * them; then JSON.parse has to say what it is.
 *
 * For: only the SDP has backslashes, and none of them escapes a quote. So each quote begins or ends a string.
 */
export function quickSignal(text: string): Signal | undefined {
  if (!text.startsWith('{')) return undefined
  let type: 'offer' | 'answer' | undefined
  let sender: string | undefined
  let target: string | undefined
  let requestId: string | undefined
  let sdpStart = 0
  let sdpEnd = 0
  for (let at = 1; ; ) {
    const nameEnd = text.indexOf('"', at + 1)
    if (text.charCodeAt(nameEnd + 1) !== colon) return undefined
    const start = nameEnd + (text.charCodeAt(nameEnd + 2) === space ? 4 : 3)
    const end = text.indexOf('"', start)
    if (text.charCodeAt(start - 1) !== quote || end < 0) return undefined
    if (text.startsWith('"type"', at)) {
      if (text.startsWith('offer"', start)) type = 'offer'
      else if (text.startsWith('answer"', start)) type = 'answer'
      else return undefined
    } else if (text.startsWith('"sender"', at)) sender = text.slice(start, end)
    else if (text.startsWith('"target"', at)) target = text.slice(start, end)
    else if (text.startsWith('"request_id"', at)) requestId = text.slice(start, end)
    else if (text.startsWith('"sdp"', at)) {
      sdpStart = start
      sdpEnd = end
    } else return undefined
    const next = text.charCodeAt(end + 1)
    if (next === closingBrace && end + 2 === text.length) break
    if (next !== comma) return undefined
    at = end + (text.charCodeAt(end + 2) === space ? 3 : 2)
  }
  if (type === undefined || target === undefined) return undefined
  if (control.test(text) || !hasPlainEscapes(text, sdpStart, sdpEnd)) return undefined
  return { type, sender, target, request_id: requestId }
}

/** Whether all backslashes are within these bounds, and each stands before what it may escape; but not before a quote, or `u`. */
function hasPlainEscapes(text: string, start: number, end: number): boolean {
  let at = text.indexOf('\\')
  if (at >= 0 && at < start) return false
  while (at >= 0) {
    if (at >= end) return false
    const escaped = text.charCodeAt(at + 1)
    // The end of a line is what an SDP has most of.
    if (escaped === r && text.charCodeAt(at + 2) === backslash && text.charCodeAt(at + 3) === n) at += 4
    else if (isPlain(escaped)) at += 2
    else return false
    at = text.indexOf('\\', at)
  }
  return true
}

const isPlain = (escaped: number): boolean =>
  escaped === n ||
  escaped === r ||
  escaped === t ||
  escaped === slash ||
  escaped === backslash ||
  escaped === b ||
  escaped === f
