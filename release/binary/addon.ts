import { dlopen } from 'bun:ffi'
import { closeSync, readFileSync, writeFileSync } from 'node:fs'

/** Flags of memfd_create(2): the file is not passed on to other programs. */
const MFD_CLOEXEC = 1

/**
 * Loads the native module that is embedded under `path`. Bun by itself would copy it to a folder for temporary files,
 * which a container with a read-only root does not have, and which may forbid to run what is in it. On Linux it is
 * copied to memory instead.
 * @throws Error of the system, or of the linker
 */
export function loadAddon(path: string): unknown {
  const addon: { exports: unknown } = { exports: {} }
  if (process.platform !== 'linux') {
    process.dlopen(addon, path)
    return addon.exports
  }
  const { symbols } = dlopen('libc.so.6', { memfd_create: { args: ['cstring', 'u32'], returns: 'i32' } })
  const file = symbols.memfd_create(Buffer.from('node_datachannel\0'), MFD_CLOEXEC)
  if (file < 0) throw new Error('the system gives no memory to load its library into (memfd_create)')
  try {
    writeFileSync(file, readFileSync(path))
    process.dlopen(addon, `/proc/self/fd/${file}`)
  } finally {
    closeSync(file)
  }
  return addon.exports
}
