import { describe, expect, test } from 'bun:test'
import { output } from './output.ts'

/** Two streams that remember what was written, in the order of both. */
function screens(isTTY: boolean) {
  const written: [stream: 'out' | 'err', text: string][] = []
  const screen = (name: 'out' | 'err') => ({ isTTY, columns: 80, write: (text: string) => written.push([name, text]) })
  return { written, stdout: screen('out'), stderr: screen('err') }
}

describe('what a command says', () => {
  test('is data on standard output and news on standard error', () => {
    const { written, ...streams } = screens(false)
    const out = output({ isJson: false, env: {}, ...streams })
    out.data({ event: 'a' }, 'data')
    out.news({ event: 'b' }, ({ red }) => red('news'))
    out.news({ event: 'c' }, undefined)
    out.show('table')
    out.hint('hint')
    expect(written).toEqual([
      ['out', 'data\n'],
      ['err', 'news\n'],
      ['out', 'table\n'],
      ['err', 'hint\n'],
    ])
  })

  test('is one object a line for scripts', () => {
    const { written, ...streams } = screens(true)
    const out = output({ isJson: true, env: {}, ...streams })
    out.data({ event: 'a', text: 'x\ny' }, 'data')
    out.news({ event: 'b' }, 'news')
    out.show('table')
    out.hint('hint')
    out.live.set('1', () => 'bar')
    expect(out.isLive).toBe(false)
    expect(written).toEqual([
      ['out', '{"event":"a","text":"x\\ny"}\n'],
      ['out', '{"event":"b"}\n'],
    ])
  })

  test('goes by above the lines at the bottom', async () => {
    const { written, ...streams } = screens(true)
    const out = output({ isJson: false, env: {}, ...streams })
    out.live.set('1', columns => `one of ${columns}`)
    out.live.set('2', () => 'two')
    await drawn(written)
    out.data({ event: 'a' }, 'data')
    out.live.delete('1')
    out.live.delete('2')
    expect(written).toEqual([
      ['err', 'one of 79\ntwo\n'],
      ['err', '\x1b[2F\x1b[J'],
      ['out', 'data\n'],
      ['err', 'one of 79\ntwo\n'],
      ['err', '\x1b[2F\x1b[Jtwo\n'],
      ['err', '\x1b[1F\x1b[J'],
    ])
  })
})

/** Resolves when the next drawing, which its timer waits for, is there. */
async function drawn(written: readonly unknown[]): Promise<void> {
  while (written.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
}
