#!/usr/bin/env node
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The Bun that npm has installed. Its install script moves the program out of the package of the platform. Where that script
 * did not run (`--ignore-scripts`, an approval that is missing, pnpm), it is still there, and runs from there as well.
 */
function findBun() {
  let folder
  try {
    folder = dirname(createRequire(import.meta.url).resolve('bun/package.json'))
  } catch {
    return undefined
  }
  // What the script has not replaced is a short text.
  const moved = join(folder, 'bin/bun.exe')
  if (existsSync(moved) && statSync(moved).size > 1_000_000) return moved
  try {
    const platform = createRequire(join(folder, 'package.json')).resolve(`@oven/bun-${platformName()}/package.json`)
    const program = join(dirname(platform), process.platform === 'win32' ? 'bin/bun.exe' : 'bin/bun')
    return existsSync(program) ? program : undefined
  } catch {
    return undefined
  }
}

/** As Bun's packages name it. */
function platformName() {
  const { platform, arch } = process
  const cpu = arch === 'arm64' ? 'aarch64' : arch
  if (platform === 'win32') return `windows-${cpu}`
  if (platform === 'android') return `linux-${cpu}-android`
  const isMusl = platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  return `${platform}-${cpu}${isMusl ? '-musl' : ''}`
}

/** Runs the server with this process's words, streams and environment, and ends as it ends. */
function run(bun) {
  // `--no-install`: Bun never fetches a package by itself.
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const server = spawn(bun, ['--no-install', main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Who stops this process means the server. From a terminal both get the signal, and the server takes the second one calmly.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, () => server.kill(signal))
  if (process.env.npm_config_user_agent) endWithParent(() => server.kill('SIGTERM'))
  server.on('error', error => complain(`Bun cannot be started: ${error.message}`))
  server.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const name of signals) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

/** Below npx there is a shell, which dies of a signal and passes it on to nobody. So its end counts as the signal. */
function endWithParent(end) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    end()
  }, 250)
}

function complain(sentence) {
  process.stderr.write(`parley: ${sentence}\n`)
  process.exitCode = 1
}

const bun = findBun()
if (bun) run(bun)
else
  complain(
    `Bun, which the server runs on, is not installed for this platform (${platformName()}). ` +
      'If npm left out optional packages, run: npm install --include=optional',
  )
