import type { JsonObject } from '@parley/protocol'
import { UsageError } from './failure.ts'

/** The object that an option was given as JSON. @throws UsageError */
export function jsonObject(text: string, option: string, command: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UsageError(`--${option} is not JSON: ${text}`, command)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`--${option} must be a JSON object, as '{"tags":["gpu"]}'.`, command)
  }
  return value as JsonObject
}
