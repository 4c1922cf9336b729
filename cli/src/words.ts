import { UsageError } from './failure.ts'

/**
 * The words of a command line, as a shell separates them: by spaces, with "…", '…' and \ to keep them together. Nothing else
 * of a shell is understood: no variables, no patterns, no pipes.
 * @throws UsageError, if a quote is not closed
 */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  let isEscaped = false
  for (const character of text) {
    if (isEscaped) {
      // Between double quotes it stays, but before what it is needed for.
      word = `${word ?? ''}${quote === '"' && !'"\\'.includes(character) ? '\\' : ''}${character}`
      isEscaped = false
    } else if (character === '\\' && quote !== "'") isEscaped = true
    else if (quote !== undefined) {
      if (character === quote) quote = undefined
      else word = `${word ?? ''}${character}`
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = `${word ?? ''}${character}`
  }
  if (quote !== undefined || isEscaped) throw new UsageError(`“${text}” ends within a quotation.`, 'worker')
  if (word !== undefined) words.push(word)
  return words
}
