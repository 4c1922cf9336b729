import type { CheckResult, Status } from './check.ts'

const marks: { readonly [S in Status]: string } = { ok: '✓', warning: '!', failed: '✗', skipped: '–' }

/** Of ECMA-48: green, yellow, red, grey. */
const colours: { readonly [S in Status]: number } = { ok: 32, warning: 33, failed: 31, skipped: 90 }

/** Columns of the names; longer ones, as those of ICE servers, move the rest. */
const nameColumns = 12

export interface ReportOptions {
  readonly colour: boolean
}

/** The result for a terminal: a line, and the advice in another. Does not end with a line break. */
export function line({ name, status, code, ms, detail, advice }: CheckResult, { colour }: ReportOptions): string {
  const paint = (text: string, code: number) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const time = ms === undefined ? '' : ` ${paint(`(${ms} ms)`, 90)}`
  const label = code === undefined ? '' : ` ${paint(`(${code})`, 90)}`
  const head = `${paint(marks[status], colours[status])} ${name.padEnd(nameColumns)} ${detail}${label}${time}`
  return advice === undefined ? head : `${head}\n  ${paint('→', colours[status])} ${advice}`
}

export interface Summary {
  readonly sentence: string
  /** 0, or 1 if something has failed. */
  readonly exitCode: 0 | 1
}

export function summary(results: readonly CheckResult[]): Summary {
  const count = (status: Status) => results.filter(result => result.status === status).length
  const [failed, warnings] = [count('failed'), count('warning')]
  const things = (n: number) => `${n} ${n === 1 ? 'thing' : 'things'}`
  // Those without a code could not have been made by anybody.
  const unchecked = results.filter(({ status, code }) => status === 'skipped' && code !== undefined).length
  const gap = unchecked > 0 ? ` ${things(unchecked)} could not be checked.` : ''
  if (failed > 0) {
    const [first] = results.filter(({ status }) => status === 'failed')
    return {
      sentence: `${things(failed)} ${failed === 1 ? 'does' : 'do'} not work. Begin with “${first?.name}”.${gap}`,
      exitCode: 1,
    }
  }
  if (warnings > 0) return { sentence: `It works; ${things(warnings)} should be looked at.${gap}`, exitCode: 0 }
  return { sentence: gap ? `Nothing is wrong in what was checked.${gap}` : 'Everything works.', exitCode: 0 }
}
