import type { z } from 'zod'
import { whole } from '../formats.ts'

/** One environment variable: how it is read, what it is without being set, and what it means. */
export interface Setting<T> {
  readonly variable: string
  readonly schema: z.ZodType<T, string>
  readonly fallback: string
  readonly meaning: string
  /** Its value is told to nobody, not even to say what is wrong with it. */
  readonly isSecret: boolean
}

export const setting = <T>(
  variable: string,
  schema: z.ZodType<T, string>,
  fallback: string,
  meaning: string,
  isSecret = false,
): Setting<T> => ({ variable, schema, fallback, meaning, isSecret })

export const port = whole(0, 65_535)
export const count = whole(1, 1_000_000)
