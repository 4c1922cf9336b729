/** A WebSocket class whose messages leave `delay` milliseconds late, in order. */
export function lateSocket(delay: number): typeof WebSocket {
  return class extends WebSocket {
    override send(data: string): void {
      setTimeout(() => {
        if (this.readyState === WebSocket.OPEN) super.send(data)
      }, delay)
    }
  }
}
