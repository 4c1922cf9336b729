import { attacks } from './attacks/index.ts'
import { type Attack, attackerAddress, emptyTally, type Furniture } from './field.ts'
import { signInFrom } from './patience.ts'
import { full, quick } from './plan.ts'

/** What this process is told to attack, and with what. */
export interface Orders {
  readonly name: string
  readonly ws: string
  readonly http: string
  readonly isQuick: boolean
  readonly furniture: Furniture | undefined
}

export type AttackerQuestion = { readonly begin: true } | { readonly report: true }

/** The attacker, in a process of its own. Gets ready, begins when it is told to, and says how it went when it is asked. */
const orders: Orders = JSON.parse(process.argv[2] ?? '')
const attack = new Map<string, Attack>(Object.entries(attacks)).get(orders.name)
if (!attack) throw new Error(`there is no attack ${orders.name}`)
const tally = emptyTally()
const begin = await attack({
  ...orders,
  plan: orders.isQuick ? quick : full,
  tally,
  idToken: orders.furniture?.idToken ?? (await signInFrom(orders.http, attackerAddress)),
})
process.on('message', (question: AttackerQuestion) => {
  if ('begin' in question) begin()
  process.send?.(tally)
})
process.send?.('ready')
