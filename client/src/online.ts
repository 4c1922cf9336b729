/** Calls `act` whenever the platform says that the network is back, as browsers do; the result ends that. */
export function onOnline(act: () => void): () => void {
  globalThis.addEventListener?.('online', act)
  return () => globalThis.removeEventListener?.('online', act)
}
