/** How an SDP begins, as JSON.stringify writes it and as Python's json.dumps does. */
const beginnings = ['"sdp":"', '"sdp": "']

/**
 * What must not stand in a JSON string (RFC 8259 section 7): control characters, and a backslash before anything that it
 * cannot escape. An escaped quote and `\u` count as that, too, since what is around them would have to be looked at.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const suspicious = /[\x00-\x1f]|\\[^\\/bfnrt]/

/**
 * The text with an empty string in place of its SDP, so that JSON.parse need not unpack two kilobytes that nobody looks
 * at; or the text as it is, where that is not safe. One is JSON if and only if the other is, and they differ in nothing
 * but that string.
 *
 * For: there is no escaped quote in the text, so the quotes around `sdp` and the one after the colon are what they seem,
 * or the text is no JSON in any case. What stands between there and the next quote is right as the content of a string.
 */
export function withoutSdp(text: string): string {
  for (const beginning of beginnings) {
    const at = text.indexOf(beginning)
    if (at < 0) continue
    const start = at + beginning.length
    const end = text.indexOf('"', start)
    return end < 0 || suspicious.test(text) ? text : text.slice(0, start) + text.slice(end)
  }
  return text
}
