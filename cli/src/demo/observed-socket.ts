/** Types of the messages by which two peers agree on a connection. */
const signals: readonly string[] = ['offer', 'answer', 'candidate']

/**
 * A WebSocket that tells of the signals that are sent over it, each before it goes out. Their content is nobody's business.
 * @param base that of the platform
 */
export function observedSocket(base: typeof WebSocket, sent: (type: string) => void): typeof WebSocket {
  return class extends base {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      if (typeof data === 'string') {
        const { type } = JSON.parse(data) as { readonly type: string }
        if (signals.includes(type)) sent(type)
      }
      super.send(data)
    }
  }
}
