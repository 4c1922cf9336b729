import {
  decode,
  errorKinds,
  errorMessage,
  nameSender,
  peerMessages,
  rawMember,
  SignalingError,
  schemaOf,
} from '@parley/protocol'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expectDocumented } from '../server/test/documented.ts'
import { type Expected, echoOf, expected, isObject, type Json, membersOf, signals } from './contract.ts'
import { damage } from './json.ts'
import { frame, someVocabulary } from './messages.ts'
import { Random } from './random.ts'
import { shrink } from './shrink.ts'
import { type Fault, fault, type Target } from './target.ts'

/** What is read besides a message itself: the same text, damaged in so many ways. */
const damaged = 3

/** `decode`, `rawMember` and `nameSender`, held against the contract. A case is one message, as it is and damaged. */
export const decodeTarget: Target = {
  name: 'decode',
  async run({ seed, first, begin, count, shrinkFor }) {
    // The trace is most of what an error costs, and nobody looks at it here.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      for (let at = first; begin(at); at++) {
        const random = new Random(seed, at)
        const message = frame(random, someVocabulary)
        // An operator may allow shorter names, or longer ones.
        const peerIdLength = random.oneIn(8) ? random.pick([8, 1024]) : undefined
        for (let n = 0; n <= damaged; n++) {
          const text = n === 0 ? message : damage(random, message)
          const found = faultOf(text, peerIdLength)
          if (found) return { at, ...(await smallest(text, peerIdLength, found, shrinkFor)) }
        }
        count(1 + damaged)
      }
      return undefined
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  },
}

/** The shortest text that has a fault of the same kind. */
async function smallest(text: string, peerIdLength: number | undefined, found: Fault, shrinkFor: number) {
  const fails = (units: readonly string[]) => faultOf(units.join(''), peerIdLength)?.kind === found.kind
  const input = (await shrink(text.split(''), fails, shrinkFor)).join('')
  return { fault: faultOf(input, peerIdLength) ?? found, input: JSON.stringify(input) }
}

function faultOf(text: string, peerIdLength: number | undefined): Fault | undefined {
  const due = expected(text, peerIdLength)
  let message: Json & { readonly type: string }
  try {
    message = { ...decode(text, peerIdLength) }
  } catch (error) {
    return faultOfRefusal(error, due)
  }
  if ('code' in due) return fault('accepted', `was to be refused with ${due.code} ${due.blamed ?? ''}`)
  return (
    faultOfReading(message, due.message) ??
    // The document is of a server with the default settings.
    (peerIdLength === undefined ? faultOfDocument(due.parsed) : undefined) ??
    faultOfTools(text, due.parsed)
  )
}

function faultOfRefusal(error: unknown, due: Expected): Fault | undefined {
  if (!(error instanceof SignalingError)) return fault('threw', String(error))
  if (!('code' in due)) return fault('refused', `${error.code}: ${error.message}`)
  if (!Object.hasOwn(errorKinds, error.code) || error.code !== due.code)
    return fault('code', `${error.code} instead of ${due.code}`)
  if (due.blamed && !due.blamed.some(words => error.message.startsWith(words))) {
    return fault('sentence', `"${error.message}" instead of one about ${due.blamed.join(' or ')}`)
  }
  const { requestId, target, targetPeerId, isRegister = false } = error.context
  const echo = { requestId, target, targetPeerId, isRegister }
  if (!Bun.deepEquals(echo, due.echo)) return fault('echo', `${JSON.stringify(echo)}, not ${JSON.stringify(due.echo)}`)
  return faultOfThrowing('error message', () => expectDocumented(errorMessage(error)))
}

function faultOfReading(message: Json, due: Json & { readonly type: string }): Fault | undefined {
  const isSignal = signals.includes(due.type)
  // The SDP of a signal is nobody's business, and may be left out where it is a string.
  const { sdp, ...read } = message
  const { sdp: dueSdp, ...dueRest } = due
  const isSame = isSignal
    ? Bun.deepEquals(read, dueRest) && (sdp === undefined ? isText(dueSdp) : Bun.deepEquals(sdp, dueSdp))
    : Bun.deepEquals(message, due, true)
  return isSame ? undefined : fault('read', `${JSON.stringify(message)}, not ${JSON.stringify(due)}`)
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string'

const ajv = new Ajv2020({ strict: false })
const documents = new Map(
  Object.entries(peerMessages).map(([type, { members }]) => [type, ajv.compile(schemaOf(members))]),
)

/** What is understood is in AsyncAPI, too; there, null for what may be missing goes without saying. */
function faultOfDocument(parsed: Json): Fault | undefined {
  const document = documents.get(String(parsed.type))
  if (document?.(parsed)) return undefined
  const said = Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== null))
  return document?.(said) || Object.values(parsed).includes(null)
    ? undefined
    : fault('document', ajv.errorsText(document?.errors))
}

/** Names that an object may not have. */
const strange = ['payload', '__proto__', 'toString']

function faultOfTools(text: string, parsed: Json): Fault | undefined {
  const members = membersOf(text)
  for (const name of [...Object.keys(parsed), ...strange]) {
    const raw = rawMember(text, name)
    if (raw !== members.get(name)) return fault('rawMember', `of ${name}: ${raw}, not ${members.get(name)}`)
  }
  if (Object.hasOwn(parsed, 'sender')) return undefined
  const sender = 'Zo\u00eb "\\'
  const named = nameSender(text, sender)
  const added = `"sender":${JSON.stringify(sender)},`
  const at = named.indexOf(added)
  const isKept = at >= 0 && named.slice(0, at) + named.slice(at + added.length) === text
  const read: unknown = isKept ? JSON.parse(named) : undefined
  if (!isObject(read) || read.sender !== sender || !Bun.deepEquals(echoOf(read), echoOf(parsed))) {
    return fault('nameSender', named)
  }
  return undefined
}

function faultOfThrowing(kind: string, act: () => void): Fault | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return fault(kind, String(error))
  }
}
