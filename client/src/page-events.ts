/** Calls `act` whenever the platform says that the network is back, as browsers do; the result ends that. */
export function onOnline(act: () => void): () => void {
  globalThis.addEventListener?.('online', act)
  return () => globalThis.removeEventListener?.('online', act)
}

/** Calls `act` when the page goes for good, unless a browser keeps it to come back to; the result ends that. */
export function onPageEnd(act: () => void): () => void {
  const hide = (event: Event) => {
    if (!(event as PageTransitionEvent).persisted) act()
  }
  globalThis.addEventListener?.('pagehide', hide)
  return () => globalThis.removeEventListener?.('pagehide', hide)
}
