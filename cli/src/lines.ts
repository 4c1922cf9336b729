import { createInterface } from 'node:readline'

/**
 * Calls `line` for each line that is typed or piped in, one after the other; no more is read than is needed. Resolves when
 * there are no more, or `signal` is aborted.
 */
export async function eachLine(
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
  line: (text: string) => Promise<unknown>,
): Promise<void> {
  if (signal.aborted) return
  // Without `terminal` the terminal itself sees to editing and to Ctrl-C.
  const reader = createInterface({ input, terminal: false, crlfDelay: Number.POSITIVE_INFINITY })
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
    signal.removeEventListener('abort', stop)
    input.off('error', stop)
  }
}
