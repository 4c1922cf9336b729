import { expect, test } from 'bun:test'
import { startParley } from './parley-process.ts'
import { quickReference } from './scenarios.ts'

test('the flows and workflows of the quick reference work, to the letter', async () => {
  const parley = await startParley({ command: 'npm', settings: { PARLEY_LOG_LEVEL: 'trace' } })
  const secrets = await quickReference(parley)

  // None of it is for the log.
  await parley.stop()
  const log = parley.stderr.join('\n')
  expect(log).toContain('peer registered')
  for (const secret of secrets) expect(log).not.toContain(secret)
})
