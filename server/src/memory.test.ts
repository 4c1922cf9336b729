import { expect, test } from 'bun:test'
import { queueBudget, usableMemory } from './memory.ts'

const machine = 16 * 1024 ** 3
const unlimited = '9223372036854771712\n'

/** What the process may use where these files are all that there is. */
const within = (files: Record<string, string>) => usableMemory(machine, path => files[path])

test('without control groups it is the memory of the machine', () => {
  expect(within({})).toBe(machine)
})

test('the least limit among nested groups counts', () => {
  const files = {
    '/proc/self/cgroup': '0::/kubepods.slice/pod7.slice/parley.scope\n',
    '/sys/fs/cgroup/kubepods.slice/memory.max': '8000000000\n',
    '/sys/fs/cgroup/kubepods.slice/pod7.slice/memory.max': '500000000\n',
    '/sys/fs/cgroup/kubepods.slice/pod7.slice/parley.scope/memory.max': 'max\n',
  }
  expect(within(files)).toBe(500_000_000)
})

test('a container sees its own limit, whether it has a namespace of its own or the path of its host', () => {
  const limit = { '/sys/fs/cgroup/memory.max': '268435456\n' }
  expect(within({ '/proc/self/cgroup': '0::/\n', ...limit })).toBe(268_435_456)
  expect(within({ '/proc/self/cgroup': '0::/../../docker/4f3\n', ...limit })).toBe(268_435_456)
  expect(within({ '/proc/self/cgroup': '0::/docker/4f3\n', ...limit })).toBe(268_435_456)
})

test('version 1 counts, too, also beside an empty version 2', () => {
  const groups = '9:name=systemd:/\n4:memory:/docker/4f3\n1:cpu,cpuacct:/\n0::/\n'
  const files = {
    '/proc/self/cgroup': groups,
    '/sys/fs/cgroup/memory/docker/4f3/memory.limit_in_bytes': '400000000\n',
    '/sys/fs/cgroup/memory/docker/memory.limit_in_bytes': unlimited,
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': unlimited,
  }
  expect(within(files)).toBe(400_000_000)
})

test('a limit beyond the memory of the machine is none', () => {
  const files = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '99999999999999\n' }
  expect(within(files)).toBe(machine)
})

test('this machine has memory', () => {
  expect(usableMemory()).toBeGreaterThan(1024 ** 2)
})

test('the budget is an eighth, and 512 MiB at most', () => {
  expect(queueBudget(512 * 1024 ** 2)).toBe(64 * 1024 ** 2)
  expect(queueBudget(machine)).toBe(512 * 1024 ** 2)
})
