/** What has arrived and not been read yet, in order. Tests wait on it instead of on time. */
export class Inbox<T> {
  private readonly items: T[] = []
  private readonly readers: PromiseWithResolvers<T>[] = []
  private end: Error | undefined

  push(item: T): void {
    const reader = this.readers.shift()
    if (reader) reader.resolve(item)
    else this.items.push(item)
  }

  /** Nothing more will arrive: whoever reads beyond what is there is told `reason`. */
  close(reason: Error): void {
    this.end ??= reason
    for (const reader of this.readers.splice(0)) reader.reject(this.end)
  }

  /** The oldest item, as soon as there is one. */
  next(): Promise<T> {
    const item = this.items.shift()
    if (item !== undefined) return Promise.resolve(item)
    if (this.end) return Promise.reject(this.end)
    const reader = Promise.withResolvers<T>()
    this.readers.push(reader)
    return reader.promise
  }

  /** The first item that `matches`, as soon as there is one; those before it are dropped. */
  async find(matches: (item: T) => boolean): Promise<T> {
    let item = await this.next()
    while (!matches(item)) item = await this.next()
    return item
  }
}
