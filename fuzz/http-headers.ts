import type { Random } from './random.ts'
import { addresses } from './world.ts'

/** What an attacker has, and what it must not get at. */
export interface Loot {
  readonly mine: string
  readonly refreshToken: string
  readonly other: string
  readonly room: string
  readonly roomToken: string
  readonly invite: string
  readonly victimRoom: string
}

/** A token with one letter in its middle changed. */
const tampered = (random: Random, text: string) => {
  const at = 20 + random.below(text.length - 40)
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}
const unsigned = (idToken: string) =>
  `${Buffer.from('{"alg":"none"}').toString('base64url')}.${idToken.split('.')[1] ?? ''}.`

/** What stands in `Authorization`, and whether it proves an identity. */
export function authorization(random: Random, loot: Loot): { values: string[]; isIdentified: boolean } {
  if (random.oneIn(3)) {
    const token = random.oneIn(8) ? loot.other : loot.mine
    const form = random.pick(['Bearer ', 'Bearer ', 'bearer ', 'BEARER  ', ''])
    return { values: [`${form}${token}`], isIdentified: true }
  }
  if (random.oneIn(3)) return { values: [], isIdentified: false }
  const wrong = [
    ...[
      `Basic ${loot.mine}`,
      'Bearer',
      'Bearer ',
      `Bearer ${loot.mine} x`,
      `Bearer ${loot.refreshToken}`,
      `Bearer, ${loot.mine}`,
    ],
    ...[
      `Bearer ${loot.roomToken}`,
      `Bearer ${tampered(random, loot.mine)}`,
      `Bearer ${unsigned(loot.mine)}`,
      'é',
      '"',
      'Bearer ..',
    ],
    ...[
      `Bearer ${'x'.repeat(random.pick([10, 3000]))}`,
      'Bearer null',
      `Bearer ${loot.mine.split('.').slice(0, 2).join('.')}`,
    ],
  ]
  const values = random.oneIn(10) ? [`Bearer ${loot.mine}`, `Bearer ${loot.mine}`] : [random.pick(wrong)]
  return { values, isIdentified: false }
}

/** Headers that say who asks, most of them lies: the last address is what a proxy has added. */
export function headersOf(random: Random): [string, string][] {
  const { victim, attacker } = addresses
  const forged = random.pick([
    '',
    '',
    `${victim}, `,
    'unknown, ',
    `"[2001:db8::1]:80", ${victim},`,
    ', ,',
    `${victim}:80, `,
  ])
  const headers: [string, string][] = [['X-Forwarded-For', `${forged}${attacker}`]]
  const lies: [string, string][] = [
    ['Forwarded', `for=${victim}`],
    ['X-Real-IP', victim],
    ['Via', '1.1 proxy'],
    ['Origin', random.pick(['https://evil.example', 'null', 'é', ''])],
    ['Sec-Fetch-Site', 'cross-site'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-HTTP-Method-Override', 'DELETE'],
    ['Accept', random.pick(['application/json', '*/*', 'text/html', ';;'])],
    [
      'Content-Type',
      random.pick([
        'application/json',
        'text/plain',
        'multipart/form-data; boundary=',
        'application/x-www-form-urlencoded',
        ';',
      ]),
    ],
    ['Content-Encoding', 'gzip'],
    ['Range', 'bytes=0-1'],
    ['If-None-Match', '*'],
    ['Cookie', 'a=b; __proto__=1'],
    ['X-Long', 'x'.repeat(random.below(2000))],
  ]
  for (let n = random.below(4); n > 0; n--) headers.push(random.pick(lies))
  return headers
}
