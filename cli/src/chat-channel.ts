import { setTimeout } from 'node:timers/promises'

/** Text between peers goes over a data channel of this label: one message for each text. */
export const chatLabel = 'chat'

/**
 * Says, when it is the `protocol` of the channel, that whoever has opened it knows the binary messages below. That a text
 * has been sent does not mean that the other program has got it: what waits there when the connection ends may be lost.
 */
export const chatProtocol = 'chat.confirmed'

/** The side that has not opened the channel says with it that it knows them, too. */
const hello = 0
/** Has all before this arrived? */
const question = 1
const answer = 2

/** Milliseconds from the opening of a channel within which the hello of a program that knows it is there. */
const helloWithin = 1_000

/** Texts after which the other side is asked. It may have as many to do before it is sent more. */
const askAfter = 500

/** Characters that may wait to be sent before more is taken. */
const highWater = 1024 * 1024

/** A data channel for text, which is open. */
export class ChatChannel {
  #canAsk: boolean
  /** Texts that the other side has not confirmed. */
  #unconfirmed = 0
  readonly #openedAt = performance.now()
  readonly #greeted: Promise<void>
  #greet = () => {}
  /** Those who wait for an answer, which are given in order. */
  readonly #asking: ((isThere: boolean) => void)[] = []

  /** @param isOurs whether this side has opened it @param heard is called with each text of the other side */
  constructor(
    private readonly channel: RTCDataChannel,
    isOurs: boolean,
    heard: (text: string) => void,
  ) {
    this.#canAsk = this.#isKnown && !isOurs
    this.#greeted = new Promise(resolve => {
      this.#greet = resolve
    })
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') heard(data)
      else if (this.#isKnown && data instanceof ArrayBuffer) this.#receive(new Uint8Array(data)[0])
    })
    channel.addEventListener('close', () => {
      for (const settle of this.#asking.splice(0)) settle(false)
    })
    if (this.#canAsk) this.#send(hello)
  }

  get #isKnown(): boolean {
    return this.channel.protocol === chatProtocol
  }

  get isOpen(): boolean {
    return this.channel.readyState === 'open'
  }

  /** Resolves when there is room for more. @throws Error, if the channel is not open, or the text too long */
  async say(text: string): Promise<void> {
    await this.#ready()
    this.channel.send(text)
    this.#unconfirmed++
    if (this.#canAsk && this.#unconfirmed >= askAfter) await this.#ask()
    else await this.#drained()
  }

  /**
   * Resolves with true when the other side has got all that was said; or, if it is a program that cannot tell, has at least
   * taken note that the channel is closed, which comes behind it. False: the connection has ended before.
   */
  async confirm(): Promise<boolean> {
    await this.#ready()
    return this.#canAsk ? this.#ask() : this.#close()
  }

  /**
   * Resolves when it is known whether the other side confirms. Nothing is said before: libdatachannel may put messages into
   * another order that arrive in the instant in which the channel opens there.
   */
  async #ready(): Promise<void> {
    const wait = this.#openedAt + helloWithin - performance.now()
    if (this.#canAsk || !this.#isKnown || wait <= 0) return
    await Promise.race([this.#greeted, setTimeout(wait, undefined, { ref: false })])
  }

  #receive(word: number | undefined): void {
    if (word === question) this.#send(answer)
    else if (word === answer) this.#asking.shift()?.(true)
    else if (word === hello) {
      this.#canAsk = true
      this.#greet()
    }
  }

  #ask(): Promise<boolean> {
    if (!this.#send(question)) return Promise.resolve(false)
    const asked = this.#unconfirmed
    return new Promise<boolean>(resolve => this.#asking.push(resolve)).then(isThere => {
      if (isThere) this.#unconfirmed -= asked
      return isThere
    })
  }

  async #close(): Promise<boolean> {
    if (!this.isOpen) return false
    const closed = new Promise<void>(resolve => this.channel.addEventListener('close', () => resolve(), { once: true }))
    this.channel.close()
    await closed
    return true
  }

  /** Resolves when not much waits in the channel any more, or nothing ever will. */
  async #drained(): Promise<void> {
    const { channel } = this
    if (channel.bufferedAmount <= highWater || !this.isOpen) return
    channel.bufferedAmountLowThreshold = highWater / 4
    const settled = new AbortController()
    await new Promise<void>(resolve => {
      for (const event of ['bufferedamountlow', 'close']) {
        channel.addEventListener(event, () => resolve(), { signal: settled.signal })
      }
    })
    settled.abort()
  }

  #send(word: number): boolean {
    try {
      this.channel.send(new Uint8Array([word]))
      return true
    } catch {
      // It has closed, which is told to those who wait.
      return false
    }
  }
}
