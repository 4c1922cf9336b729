import {
  type ErrorCode,
  isObject,
  type JsonSchema,
  nameSchema,
  peerMessages,
  type SignalType,
  schemaOf,
  serverMessages,
  signalTypes,
} from '@parley/protocol'
import { errors, fromPeers, fromServer } from '@parley/protocol/fixtures'

export interface AsyncMessage {
  /** The `type` of the message. */
  readonly name: string
  readonly title: string
  readonly summary: string
  readonly payload: JsonSchema
  readonly examples: readonly { readonly name: string; readonly payload: object }[]
}

type Ref = { readonly $ref: string }

export interface AsyncOperation {
  /** Of the server: it receives what peers send. */
  readonly action: 'receive' | 'send'
  readonly summary: string
  readonly channel: Ref
  readonly messages: readonly Ref[]
  readonly reply?: { readonly channel: Ref; readonly messages: readonly Ref[] }
}

/** As much of an AsyncAPI 3.0 document as there is in ours. */
export interface AsyncApi {
  readonly asyncapi: '3.0.0'
  readonly info: {
    readonly title: string
    readonly version: string
    readonly description: string
    readonly license: object
  }
  readonly defaultContentType: 'application/json'
  readonly channels: { readonly parley: object }
  readonly operations: { readonly [name: string]: AsyncOperation }
  readonly components: { readonly messages: { readonly [name: string]: AsyncMessage } }
}

const channel = { $ref: '#/channels/parley' }
const inChannel = (message: string): Ref => ({ $ref: `#/channels/parley/messages/${message}` })

/**
 * Describes the messages of the WebSocket, from the tables that the server itself decodes by. As AsyncAPI has it, the
 * document speaks of the server: it receives what peers send.
 * @param peerIdLength characters that a `peer_id` may have
 */
export function asyncApi(peerIdLength: number, version: string): AsyncApi {
  const messages: Record<string, AsyncMessage> = {}
  const operations: Record<string, AsyncOperation> = {}

  for (const [type, { summary, reply, members }] of Object.entries(peerMessages)) {
    const payload = payloadOf(type, schemaOf(type === 'register' ? registerMembers(peerIdLength) : members))
    messages[`peer.${type}`] = { name: type, title: type, summary, payload, examples: examplesOf(type, fromPeers) }
    const answers = [inChannel(`server.${reply ?? 'ack'}`), inChannel('server.error')]
    operations[`receive_${type}`] = {
      action: 'receive',
      summary,
      channel,
      messages: [inChannel(`peer.${type}`)],
      reply: { channel, messages: answers },
    }
  }
  const send = (type: string, message: Omit<AsyncMessage, 'name' | 'title'>) => {
    messages[`server.${type}`] = { name: type, title: type, ...message }
    operations[`send_${type}`] = {
      action: 'send',
      summary: message.summary,
      channel,
      messages: [inChannel(`server.${type}`)],
    }
  }
  for (const [type, { summary, members }] of Object.entries(serverMessages)) {
    const examples = type === 'error' ? examplesOf(type, errors) : examplesOf(type, fromServer)
    send(type, { summary, payload: payloadOf(type, schemaOf(members)), examples })
  }
  for (const type of signalTypes) send(type, relayed(type))

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Parley: WebSocket',
      version,
      description:
        'One JSON object in each text frame. The WebSocket is at /ws on the port of the HTTP API, and at any path on its own port; both may be the same port. A peer first sends register; what follows waits for its answer. Members that are not named here are ignored, and a member of a peer that may be missing may also be null. What cannot be done is answered with error, on a connection that stays open. ack is for peers with the feature acks, and for messages with a request_id.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      parley: {
        address: '/ws',
        description: 'The connection of one peer. On the own port of the WebSocket, the path does not matter.',
        messages: Object.fromEntries(
          Object.keys(messages).map(name => [name, { $ref: `#/components/messages/${name}` }]),
        ),
        bindings: { ws: { method: 'GET' } },
      },
    },
    operations,
    components: { messages },
  }
}

/** Those of the table, but for the length of `peer_id`, which is a setting. */
function registerMembers(peerIdLength: number) {
  const { members } = peerMessages.register
  return { ...members, peer_id: { schema: { ...members.peer_id.schema, ...nameSchema(peerIdLength) } } }
}

/** A signal as its target gets it. */
function relayed(type: SignalType): Omit<AsyncMessage, 'name' | 'title'> {
  const { members } = peerMessages[type]
  const sender = { schema: { type: 'string', description: 'The peer that it comes from.' } }
  return {
    summary: `What another peer sent with ${type}, to the letter.`,
    payload: payloadOf(type, schemaOf({ ...members, sender })),
    examples: examplesOf(type, fromPeers),
  }
}

function payloadOf(type: string, { properties, required, ...schema }: JsonSchema): JsonSchema {
  return {
    ...schema,
    properties: { type: { const: type }, ...(isObject(properties) && properties) },
    required: ['type', ...(Array.isArray(required) ? required : [])],
  }
}

/** The golden messages of this type. */
const examplesOf = (
  type: string,
  golden: Readonly<Record<string, { type: string }>> | Record<ErrorCode, { type: string }>,
) =>
  Object.entries(golden)
    .filter(([, message]) => message.type === type)
    .map(([name, payload]) => ({ name, payload }))
