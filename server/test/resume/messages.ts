import type { Message } from './story.ts'

/** The member that carries the number of a request. */
export const cargo: Record<string, string> = {
  offer: 'sdp',
  candidate: 'candidate',
  peer_message: 'payload',
  broadcast: 'payload',
  update_metadata: 'metadata',
}

/** What would make the log unreadable. */
const secret = /^id_token|servers|^expires|^reason$|connected_at|^ttl_seconds$/
/** The message as the log has it. */
export const brief = (message: unknown) =>
  JSON.stringify(message, (key, value: unknown) => (secret.test(key) ? undefined : value))

export const isSignal = ({ type }: Message) => type === 'offer' || type === 'candidate'

/** The number of the request that a message answers, if it is an answer. */
export function answeredBy(message: Message): number | undefined {
  const id = isSignal(message) ? undefined : message.request_id
  return typeof id === 'string' && id.startsWith('r') ? Number(id.slice(1)) : undefined
}
