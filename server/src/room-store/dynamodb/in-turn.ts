/**
 * Runs what is to be done under one key one after another, so that those of one node are not in each other's way. A
 * task that fails does not hinder the next.
 */
export function inTurn() {
  const last = new Map<string, Promise<void>>()
  return <T>(key: string, task: () => Promise<T>): Promise<T> => {
    const result = (last.get(key) ?? Promise.resolve()).then(task)
    const done: Promise<void> = result.then(
      () => leave(),
      () => leave(),
    )
    const leave = () => {
      if (last.get(key) === done) last.delete(key)
    }
    last.set(key, done)
    return result
  }
}
