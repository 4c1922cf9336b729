import { test } from 'bun:test'

/** Declares a test, as `test(name, body, timeout)` does. */
export type Declare = (name: string, body: () => Promise<void>, timeout?: number) => void

/**
 * Tests that need real components, by name, and whether each is there. Without one of them a test is skipped under a
 * name that says what is missing; with CI=true it fails, because there everything must have been run.
 */
export function needs(components: Readonly<Record<string, boolean>>): Declare {
  const missing = Object.keys(components).filter(component => !components[component])
  if (missing.length === 0) return test
  const complaint = `not on this machine: ${missing.join(', ')}`
  return (name, body) => {
    const isRequired = process.env.CI === 'true'
    test.skipIf(!isRequired)(`${name} (${complaint})`, isRequired ? () => Promise.reject(new Error(complaint)) : body)
  }
}

/** Whether all of them are there: what tests share need not be made for tests that are skipped. */
export const isComplete = (components: Readonly<Record<string, boolean>>): boolean =>
  Object.values(components).every(Boolean)

/** Whether the WebRTC library is installed for this platform. */
export const hasDataChannel = (): Promise<boolean> =>
  import('node-datachannel').then(
    () => true,
    () => false,
  )

/** Whether `command` exists and ends with exit code 0. */
export function runs(...command: string[]): boolean {
  try {
    return Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore' }).success
  } catch {
    return false
  }
}
