#!/usr/bin/env node
import { existsSync } from 'node:fs'

const program = new URL('../dist/main.js', import.meta.url)
if (existsSync(program)) await import(program.href)
else {
  const sentence = 'the CLI is not built, as after "npm ci --ignore-scripts". Run: npm rebuild bun && npm run build'
  process.stderr.write(`parley: ${sentence}\n`)
  process.exitCode = 1
}
