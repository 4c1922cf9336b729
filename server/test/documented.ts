import { isObject, schemaOf, serverMessages, signalTypes } from '@parley/protocol'
import { Ajv2020 } from 'ajv/dist/2020.js'

const ajv = new Ajv2020({ strict: false })

/** What AsyncAPI says of each message of the server, and that there is nothing else in it. */
const validators = new Map(
  Object.entries(serverMessages).map(([type, { members }]) => {
    const { properties, ...schema } = schemaOf(members)
    return [
      type,
      ajv.compile({
        ...schema,
        properties: { ...(isObject(properties) && properties), type: { const: type } },
        additionalProperties: false,
      }),
    ]
  }),
)

/**
 * Throws unless `message` is one that the table of messages has, with those members and no others. Signals are passed
 * over, as they are another peer's.
 */
export function expectDocumented(message: unknown): void {
  const type = isObject(message) ? String(message.type) : ''
  if ((signalTypes as readonly string[]).includes(type)) return
  const validate = validators.get(type)
  if (validate?.(message)) return
  throw new Error(`not as documented: ${JSON.stringify(message)} ${ajv.errorsText(validate?.errors)}`)
}
