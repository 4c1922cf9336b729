/**
 * The text of a member of a JSON object, exactly as it stands there: what is passed on must keep its `1.0`, its 64-bit
 * integers and the order of its members. Of a name that stands twice the last counts, as it does for JSON.parse.
 * Undefined if there is no such member.
 * @param json an object that JSON.parse has read; of anything else the result means nothing
 */
export function rawMember(json: string, name: string): string | undefined {
  let found: string | undefined
  let at = afterSpace(json, json.indexOf('{') + 1)
  while (json[at] === '"') {
    const afterName = endOfString(json, at)
    const start = afterSpace(json, json.indexOf(':', afterName) + 1)
    const end = endOfValue(json, start)
    if (isName(json.slice(at, afterName), name)) found = json.slice(start, end)
    // Behind the comma; behind the last member there is none, and no name either.
    at = afterSpace(json, afterSpace(json, end) + 1)
  }
  return found
}

const isName = (quoted: string, name: string): boolean =>
  (quoted.includes('\\') ? JSON.parse(quoted) : quoted.slice(1, -1)) === name

function afterSpace(json: string, at: number): number {
  let next = at
  while (json.charCodeAt(next) <= 32) next++
  return next
}

function endOfString(json: string, start: number): number {
  let at = json.indexOf('"', start + 1)
  while (isEscaped(json, at)) at = json.indexOf('"', at + 1)
  return at + 1
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0
  while (json.charCodeAt(at - 1 - backslashes) === code.backslash) backslashes++
  return backslashes % 2 === 1
}

/** Codes, since to compare them is twice as fast as to compare characters. */
const code = {
  quote: 34,
  comma: 44,
  backslash: 92,
  openBracket: 91,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
} as const

function endOfValue(json: string, start: number): number {
  if (json.charCodeAt(start) === code.quote) return endOfString(json, start)
  let depth = 0
  let at = start
  while (at < json.length) {
    switch (json.charCodeAt(at)) {
      case code.quote:
        at = endOfString(json, at)
        continue
      case code.openBrace:
      case code.openBracket:
        depth++
        break
      case code.closeBrace:
      case code.closeBracket:
        if (depth === 0) return at
        depth--
        if (depth === 0) return at + 1
        break
      case code.comma:
      case 9:
      case 10:
      case 13:
      case 32:
        if (depth === 0) return at
    }
    at++
  }
  return at
}
