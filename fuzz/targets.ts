import { decodeTarget } from './decode-target.ts'
import { framesTarget } from './frames-target.ts'
import { httpTarget } from './http-target.ts'
import type { Target } from './target.ts'

/** What is fuzzed, in this order. Resume and the links between nodes get a line each when they are there. */
export const targets: readonly Target[] = [decodeTarget, httpTarget, framesTarget]
