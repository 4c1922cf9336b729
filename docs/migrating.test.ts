import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const page = readFileSync(join(import.meta.dir, 'migrating-from-python.md'), 'utf8')

/** The commands of the page that speak of the cron job: the one that disables it, and the one of the rollback. */
const commands = page.split('\n').filter(line => line.startsWith('sudo') && line.includes('healthcheck'))

/** Runs one of them in a folder that stands for the root of the file system. */
function run(command: string | undefined, root: string): void {
  const there = command?.replaceAll('sudo ', '').replaceAll(/ (\/etc\/cron\*|\/var\/spool\/cron)/g, ` ${root}$1`)
  const { exitCode, stderr } = Bun.spawnSync(['bash', '-c', there ?? 'false'])
  expect([exitCode, stderr.toString()]).toEqual([0, ''])
}

test.each([
  ['root’s own crontab', 'var/spool/cron/root', '*/5 * * * * /opt/healthcheck.sh >> /var/log/healthcheck.log 2>&1\n'],
  ['a file of its own', 'etc/cron.d/signaling', 'SHELL=/bin/sh\n*/5 * * * * root /usr/local/bin/healthcheck.sh\n'],
])('the cron job of the Python server is disabled, and enabled again, in %s', (_, file, job) => {
  const root = mkdtempSync(join(tmpdir(), 'parley-cron-'))
  const other = '17 * * * * root run-parts /etc/cron.hourly\n'
  for (const folder of ['etc/cron.d', 'var/spool/cron']) mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'etc/crontab'), other)
  writeFileSync(join(root, file), `${other}${job}`)
  const active = () =>
    [file, 'etc/crontab'].map(each =>
      readFileSync(join(root, each), 'utf8')
        .split('\n')
        .filter(line => line && !line.startsWith('#')),
    )
  const before = active()
  const [disable, enable] = commands
  expect(commands).toHaveLength(2)
  // Somebody may do it twice.
  run(disable, root)
  run(disable, root)
  expect(active().flat()).toEqual([
    ...other.trim().split('\n'),
    ...job.split('\n').filter(line => line && !line.includes('healthcheck')),
    other.trim(),
  ])
  run(enable, root)
  expect(active()).toEqual(before)
  rmSync(root, { recursive: true })
})
