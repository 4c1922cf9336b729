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
  while (json[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function endOfValue(json: string, start: number): number {
  if (json[start] === '"') return endOfString(json, start)
  let depth = 0
  let at = start
  while (at < json.length) {
    switch (json[at]) {
      case '"':
        at = endOfString(json, at)
        continue
      case '{':
      case '[':
        depth++
        break
      case '}':
      case ']':
        if (depth === 0) return at
        depth--
        if (depth === 0) return at + 1
        break
      case ',':
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        if (depth === 0) return at
    }
    at++
  }
  return at
}
