import { createInterface, type Interface } from 'node:readline'
import type { Output } from './output.ts'

/** Where lines come from, and where somebody who types them sees them. */
export interface LineSource {
  readonly input: NodeJS.ReadStream
  readonly out: Output
  /** That of standard error. */
  readonly screen: NodeJS.WriteStream
}

/**
 * Calls `line` for each line that is typed or piped in, one after the other; no more is read than is needed. Resolves when
 * there are no more, or `signal` is aborted. A line that is typed in a terminal stays in one piece while others are written.
 */
export async function eachLine(
  { input, out, screen }: LineSource,
  signal: AbortSignal,
  line: (text: string) => Promise<unknown>,
): Promise<void> {
  if (signal.aborted) return
  const isTyped = out.isLive && input.isTTY
  const reader = createInterface({
    input,
    crlfDelay: Number.POSITIVE_INFINITY,
    ...(isTyped ? { output: screen, terminal: true, prompt: '' } : { terminal: false }),
  })
  const forget = isTyped ? showTyped(reader, out, screen) : () => {}
  const stop = () => reader.close()
  signal.addEventListener('abort', stop)
  // Input that cannot be read has ended.
  input.on('error', stop)
  try {
    for await (const text of reader) {
      if (signal.aborted) return
      await line(text)
    }
  } finally {
    forget()
    signal.removeEventListener('abort', stop)
    input.off('error', stop)
  }
}

/** Has the terminal show what is being typed below all else. */
function showTyped(reader: Interface, { live }: Output, screen: NodeJS.WriteStream): () => void {
  // The terminal leaves all keys to the reader, this one among them.
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  reader.on('line', text => live.entered(text, 1 + Math.floor(text.length / (screen.columns || 80))))
  return live.keep({
    hide() {
      const { rows } = reader.getCursorPos()
      screen.write(`${rows > 0 ? `\x1b[${rows}A` : ''}\r\x1b[J`)
    },
    show() {
      const { line, cursor } = reader
      const rest = line.slice(cursor)
      screen.write(line.slice(0, cursor) + (rest === '' ? '' : `\x1b7${rest}\x1b8`))
    },
  })
}
