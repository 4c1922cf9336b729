/** A platform that there are executables for. */
export interface Target {
  /** As `--target` and the file's name have it. */
  readonly name: string
  /** npm's words for it. */
  readonly os: string
  readonly cpu: string
  readonly libc: string | undefined
  /** The npm packages with Bun and with WebRTC. */
  readonly bun: string
  readonly webrtc: string
}

const linux = { os: 'linux', libc: 'glibc' }
const darwin = { os: 'darwin', libc: undefined }

/** WebRTC is libdatachannel, by way of node-datachannel. */
export const targets: readonly Target[] = [
  { name: 'linux-x64', ...linux, cpu: 'x64', bun: '@oven/bun-linux-x64', webrtc: '@node-datachannel/linux-x64-gnu' },
  {
    name: 'linux-arm64',
    ...linux,
    cpu: 'arm64',
    bun: '@oven/bun-linux-aarch64',
    webrtc: '@node-datachannel/linux-arm64-gnu',
  },
  { name: 'darwin-x64', ...darwin, cpu: 'x64', bun: '@oven/bun-darwin-x64', webrtc: '@node-datachannel/darwin-x64' },
  {
    name: 'darwin-arm64',
    ...darwin,
    cpu: 'arm64',
    bun: '@oven/bun-darwin-aarch64',
    webrtc: '@node-datachannel/darwin-arm64',
  },
]

/** That of this machine. */
export const host = targets.find(({ name }) => name === `${process.platform}-${process.arch}`)
