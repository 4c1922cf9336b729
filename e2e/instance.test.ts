import { afterAll, beforeAll, expect, onTestFinished, setDefaultTimeout } from 'bun:test'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasIpv6, mappedPeers, startCoturnWith } from './coturn-configuration.ts'
import { openSandbox, type Sandbox } from './instance-sandbox.ts'
import { isComplete, needs, runs } from './needs.ts'
import { root } from './parley-process.ts'
import { complaintsIn, openWorkspace, terraformParts, userDataOfRuns, type Workspace } from './terraform-workspace.ts'

// Terraform takes seconds to load the provider of AWS.
setDefaultTimeout(120_000)

const parts = await terraformParts()
const withTerraform = needs(parts)
const withShellcheck = needs({ ...parts, shellcheck: runs('shellcheck', '--version') })
const withCaddy = needs({ ...parts, caddy: runs('caddy', 'version') })
const coturn = { ...parts, 'coturn (turnserver)': runs('turnserver', '--version') }
const withCoturn = needs(coturn)
const withIpv6 = needs({ ...coturn, 'IPv6 on loopback': hasIpv6 })

const server = 'modules/signaling-server'
const units = '/etc/systemd/system'
const inspection = 'docker network inspect --format {{(index .IPAM.Config 0).Subnet}} parley'
const secret = '8f14e45f-ceea-467f-a1d7-c1d9b8a3b1f2'

/** Of variants.tftest.hcl. */
const variants = ['plain', 'upgraded', 'full', 'elsewhere', 'moved', 'everything'] as const
let workspace: Workspace
let userData: Map<string, string>

if (isComplete(parts)) {
  beforeAll(async () => {
    workspace = await openWorkspace()
    await workspace.init(server)
    await workspace.serveProvider(server)
    const { output } = await workspace.run(server, 'test', '-json', '-verbose', '-filter=tests/variants.tftest.hcl')
    userData = userDataOfRuns(output)
    if (userData.size < variants.length) throw new Error(`terraform test says:\n${complaintsIn(output)}`)
  })
  afterAll(() => workspace.remove())
}

/** The script in the user data, which is its last part (RFC 2046). */
function setUpScript(variant: (typeof variants)[number]): string {
  const [, , script = '', end] = (userData.get(variant) ?? '').split(/^--=parley=(?:--)?\n/m)
  expect(end).toBe('')
  return script.slice(script.indexOf('\n\n') + 2)
}

/** An Amazon Linux on which nothing was set up yet. */
async function freshInstance(): Promise<Sandbox> {
  const instance = await openSandbox()
  onTestFinished(() => instance.remove())
  await instance.stub('systemctl')
  await instance.stub('sleep')
  await instance.stub('dd', `for word; do [[ $word != of=* ]] || : >"\${word#of=}"; done`)
  await instance.stub('mkswap')
  await instance.stub(
    'swapon',
    `if [[ $1 == --show* ]]; then cat "$STATE/swap" 2>/dev/null; else echo "$1" >"$STATE/swap"; fi`,
  )
  await writeFile(instance.at('/proc/uptime'), '3600.00 7000.00\n')
  await instance.stub(
    'docker',
    `case "$1 $2" in
      'network inspect') cat "$STATE/network" 2>/dev/null ;;
      'network create') echo "$4" >"$STATE/network" ;;
      'image inspect') test -e "$STATE/image" ;;
      'login --username') cat >/dev/null ;;
    esac`,
  )
  // It comes with dnf, which fails at first, as it does while there is no network.
  await rename(instance.at('/bin/docker'), instance.at('/state/docker'))
  await instance.stub(
    'dnf',
    `if [ ! -e "$STATE/tried" ]; then : >"$STATE/tried"; exit 1; fi
    mv "$STATE/docker" "\${BASH_SOURCE%/*}"`,
  )
  return instance
}

for (const variant of variants) {
  withShellcheck(`shellcheck finds nothing in the user data and the scripts that it writes: ${variant}`, async () => {
    const instance = await freshInstance()
    const script = setUpScript(variant)
    expect(await instance.run(script)).toMatchObject({ code: 0 })
    const scripts = await instance.list('/usr/local/sbin')
    expect(scripts.length).toBeGreaterThanOrEqual(2)
    await writeFile(instance.at('/set-up.sh'), script)
    const files = ['/set-up.sh', ...scripts].map(instance.at)
    const { stdout } = Bun.spawnSync(['shellcheck', '--enable=all', '--exclude=SC2250,SC2312', ...files])
    expect(stdout.toString()).toBe('')
  })
}

withTerraform('an instance is set up at its first start, even if the network is late', async () => {
  const instance = await freshInstance()
  const { code, output, calls } = await instance.run(setUpScript('plain'))
  expect(output).toEndWith('Parley is set up.\n')
  expect(code).toBe(0)
  const started = 'parley-report.timer parley-cleanup.timer parley-update.timer parley.service'
  expect(calls).toEqual([
    'dd if=/dev/zero of=/var/parley-swap.new bs=1M count=1024 status=none',
    'mkswap /var/parley-swap.new',
    'swapon --show=NAME --noheadings',
    'swapon /var/parley-swap',
    'dnf install --assumeyes --quiet docker',
    'sleep 2',
    'dnf install --assumeyes --quiet docker',
    'systemctl enable --now docker.service',
    inspection,
    'docker network create --subnet 192.168.217.0/24 --ip-range 192.168.217.128/25 parley',
    'systemctl daemon-reload',
    `systemctl enable ${started}`,
    `systemctl restart ${started}`,
  ])
  expect(await instance.list('/etc/systemd')).toEqual(
    [
      'parley-cleanup.service',
      'parley-cleanup.timer',
      'parley-report.service',
      'parley-report.timer',
      'parley-update.service',
      'parley-update.timer',
      'parley.service',
    ].map(unit => `${units}/${unit}`),
  )
  expect((await instance.read('/etc/parley/parley.env')).mode).toBe('600')
  expect((await instance.read('/usr/local/sbin/parley-pull')).mode).toBe('755')
  const log = (await instance.read('/var/log/parley-user-data.log')).text
  expect(log).toMatch(/^\d{4}-\d\d-\d\dT\S+Z Setting up Parley\.\n/)
  expect(log).toEndWith('Parley is set up.\n')
})

withTerraform('the next start changes nothing, and restarts nothing', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('full'))
  const contents = async () => {
    const files = [...(await instance.list('/etc')), ...(await instance.list('/usr'))]
    return Promise.all(files.map(async file => [file, await instance.read(file)]))
  }
  const before = await contents()
  const { code, calls } = await instance.run(setUpScript('full'))
  expect(code).toBe(0)
  const services =
    'parley-report.timer parley-cleanup.timer parley-update.timer parley.service parley-caddy.service parley-coturn.service'
  expect(calls).toEqual([
    'swapon --show=NAME --noheadings',
    'systemctl enable --now docker.service',
    inspection,
    'systemctl daemon-reload',
    `systemctl enable ${services}`,
    `systemctl start ${services}`,
  ])
  expect(await contents()).toEqual(before)
})

withTerraform('a full disk leaves the instance without swap, and is told', async () => {
  const instance = await freshInstance()
  await instance.stub('dd', 'exit 1')
  const { code, output, calls } = await instance.run(setUpScript('plain'))
  expect(output).toContain('There is no swap file: is the disk full?')
  expect(code).toBe(0)
  expect(calls.filter(call => /^(mkswap|swapon)/.test(call))).toEqual([])
  expect((await instance.list('/var')).filter(file => file.includes('swap'))).toEqual([])
})

withTerraform('another image restarts the server, once', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('plain'))
  const upgrade = await instance.run(setUpScript('upgraded'))
  expect(upgrade.calls).toContain(
    'systemctl restart parley-report.timer parley-cleanup.timer parley-update.timer parley.service',
  )
  expect((await instance.read(`${units}/parley.service`)).text).toContain('\n  registry.example/parley:1.0.1\n')
  const next = await instance.run(setUpScript('upgraded'))
  expect(next.calls.filter(call => call.startsWith('systemctl restart'))).toEqual([])
})

withTerraform('another network takes the place of the one before, when nothing is in it', async () => {
  const instance = await freshInstance()
  const script = setUpScript('plain')
  await instance.run(script.replaceAll('192.168.217.', '10.99.0.'))
  const { code, calls } = await instance.run(script)
  expect(code).toBe(0)
  expect(calls.slice(calls.indexOf(inspection)).slice(0, 4)).toEqual([
    inspection,
    'systemctl stop parley.service parley-caddy.service',
    'docker network rm parley',
    'docker network create --subnet 192.168.217.0/24 --ip-range 192.168.217.128/25 parley',
  ])
})

withTerraform(
  'unused images go once a week, but not those of a container that is being started or is away',
  async () => {
    const instance = await freshInstance()
    await instance.run(setUpScript('full'))
    const service = (await instance.read(`${units}/parley-cleanup.service`)).text.split('\n')
    expect(service).toEqual(
      expect.arrayContaining([
        'After=parley.service parley-caddy.service parley-coturn.service',
        'ExecCondition=/usr/bin/docker container inspect --format {{.Image}} parley parley-caddy parley-coturn',
        'ExecStart=/usr/bin/docker image prune --all --force --filter until=168h',
      ]),
    )
    const timer = (await instance.read(`${units}/parley-cleanup.timer`)).text
    expect(timer).toContain('\nOnCalendar=weekly\n')
    // One that was missed would come right after the start.
    expect(timer).not.toContain('Persistent')
  },
)

withTerraform('security updates of the system are installed once a week', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('plain'))
  expect((await instance.read(`${units}/parley-update.service`)).text).toContain(
    '\nExecStart=/usr/bin/dnf upgrade --assumeyes --security --releasever=latest\n',
  )
  expect((await instance.read(`${units}/parley-update.timer`)).text).toMatch(/\nOnCalendar=Tue 03:00\n/)
})

withTerraform('what is no longer wanted is stopped and removed', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('full'))
  await writeFile(instance.at(keptSecret), secret)
  const { calls } = await instance.run(setUpScript('plain'))
  expect(await instance.list('/etc/parley')).not.toContain(keptSecret)
  const stopped = calls.filter(call => call.startsWith('systemctl disable'))
  expect(stopped).toEqual([
    'systemctl disable --now parley-caddy.service',
    'systemctl disable --now parley-coturn.service',
  ])
  expect((await instance.list(units)).filter(unit => /caddy|coturn/.test(unit))).toEqual([])
})

withTerraform('a service that does not start is told in the log, and tried again at the next start', async () => {
  const instance = await freshInstance()
  await instance.stub('systemctl', '[ "$1" != restart ] || exit 1')
  const failed = await instance.run(setUpScript('plain'))
  expect(failed.code).toBe(1)
  expect((await instance.read('/var/log/parley-user-data.log')).text).toMatch(/The set-up failed in line \d+\.\n$/)
  await instance.stub('systemctl')
  const { code, calls } = await instance.run(setUpScript('plain'))
  expect(code).toBe(0)
  expect(calls.at(-1)).toStartWith('systemctl restart ')
})

withTerraform('an image is pulled once, with a login for a private registry alone', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('full'))
  await instance.stub('aws', 'echo password')
  const pull = (await instance.read('/usr/local/sbin/parley-pull')).text
  const own = '444455556666.dkr.ecr.eu-west-1.amazonaws.com'
  const { code, calls } = await instance.run(pull, `${own}/team/parley:1.0.0`)
  expect(code).toBe(0)
  expect(calls.toSorted()).toEqual([
    'aws ecr get-login-password --region eu-west-1',
    `docker image inspect ${own}/team/parley:1.0.0`,
    `docker login --username AWS --password-stdin ${own}`,
    `docker pull --quiet ${own}/team/parley:1.0.0`,
  ])
  expect(await instance.list('/run')).toEqual([])
  const mirrored = await instance.run(pull, '444455556666.dkr.ecr.us-east-1.amazonaws.com/mirror/caddy:2')
  expect(mirrored.calls).toContain('aws ecr get-login-password --region us-east-1')
  const caddy = await instance.run(pull, 'public.ecr.aws/docker/library/caddy:2')
  expect(caddy.calls).toEqual([
    'docker image inspect public.ecr.aws/docker/library/caddy:2',
    'docker pull --quiet public.ecr.aws/docker/library/caddy:2',
  ])
  await writeFile(instance.at('/state/image'), '')
  expect((await instance.run(pull, 'public.ecr.aws/docker/library/caddy:2')).calls).toEqual([
    'docker image inspect public.ecr.aws/docker/library/caddy:2',
  ])
})

for (const [variant, asks] of [
  ['plain', 'http://127.0.0.1:8001/readyz'],
  ['full', '--resolve parley.example.com:443:127.0.0.1 https://parley.example.com/readyz'],
] as const) {
  withTerraform(`health and memory are reported, as peers see them: ${variant}`, async () => {
    const instance = await freshInstance()
    await instance.run(setUpScript(variant))
    const report = (await instance.read('/usr/local/sbin/parley-report')).text
    await instance.stub('aws')
    await instance.stub('systemctl')
    for (const [curl, ready] of [
      ['', 1],
      ['[[ $* == */livez ]] || exit 22', 0],
    ] as const) {
      await instance.stub('curl', curl)
      const { code, calls } = await instance.run(report)
      expect(code).toBe(0)
      expect(calls[0]).toBe('systemctl is-active --quiet parley.service')
      expect(calls[1]).toEndWith(' http://127.0.0.1:8001/livez')
      expect(calls[2]).toEndWith(` ${asks}`)
      expect(calls[3]).toMatch(
        new RegExp(
          `^aws cloudwatch put-metric-data --region eu-central-1 --namespace Parley/\\w+ --metric-data MetricName=Ready,Value=${ready},Unit=Count MetricName=MemoryUsed,Value=\\d+\\.\\d,Unit=Percent$`,
        ),
      )
    }
  })
}

withTerraform(
  'a server that hangs is restarted after three minutes, and one that waits for a service is not',
  async () => {
    const instance = await freshInstance()
    await instance.run(setUpScript('plain'))
    const report = (await instance.read('/usr/local/sbin/parley-report')).text
    await instance.stub('aws')
    await instance.stub('systemctl')
    const isRestarted = async (curl: string) => {
      await instance.stub('curl', curl)
      const { code, calls } = await instance.run(report)
      expect(code).toBe(0)
      return calls.includes('systemctl restart --no-block parley.service')
    }
    const hangs = 'exit 28'
    const outcomes: boolean[] = []
    for (const curl of [hangs, hangs, '', hangs, hangs, hangs, hangs, hangs]) outcomes.push(await isRestarted(curl))
    expect(outcomes).toEqual([false, false, false, false, false, true, false, false])

    // What is not running is being started, and perhaps pulled.
    await instance.stub('systemctl', '[ "$1" != is-active ] || exit 3')
    expect(await isRestarted(hangs)).toBe(false)
    await instance.stub('systemctl')
    for (let minute = 1; minute <= 4; minute++) {
      expect(await isRestarted('[[ $* == */livez ]] || exit 22')).toBe(false)
    }
  },
)

const serviceOf = (container: string) => `${units}/${container}.service`

withTerraform('a container that Docker does not answer about stops no start for ever', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('full'))
  for (const container of ['parley', 'parley-caddy', 'parley-coturn']) {
    const service = (await instance.read(serviceOf(container))).text
    expect(service).toContain(`\nExecStartPre=/usr/local/sbin/parley-remove ${container}\n`)
    expect(service).not.toMatch(/^ExecStartPre=-?\/usr\/bin\/docker/m)
    const grace = Number(/^ExecStop=\/usr\/bin\/docker stop --time (\d+) /m.exec(service)?.[1])
    const bound = Number(/^TimeoutStopSec=(\d+)$/m.exec(service)?.[1])
    expect(grace).toBeGreaterThanOrEqual(5)
    expect(bound).toBeGreaterThan(grace)
    expect(bound).toBeLessThanOrEqual(30)
  }

  const remove = (await instance.read('/usr/local/sbin/parley-remove')).text
  const waits = 'timeout --kill-after=5 30 docker rm --force parley'
  const restarts = 'systemctl restart --no-block docker.service'
  await instance.stub('timeout', 'shift 2; "$@"')
  for (const [docker, code, calls] of [
    ['', 0, [waits, 'docker rm --force parley']],
    ['exit 1', 0, [waits, 'docker rm --force parley']],
  ] as const) {
    await instance.stub('docker', docker)
    expect(await instance.run(remove, 'parley')).toEqual({ code, output: '', calls })
  }
  for (const status of [124, 137]) {
    await instance.stub('timeout', `exit ${status}`)
    expect(await instance.run(remove, 'parley')).toEqual({
      code: 1,
      output: 'Docker does not answer about the container parley: restarting Docker.\n',
      calls: [waits, restarts],
    })
  }
})

withTerraform('a first start is not reported as an outage for ten minutes', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('plain'))
  const report = (await instance.read('/usr/local/sbin/parley-report')).text
  await instance.stub('aws')
  const readyIn = async (uptime: number, curl: string) => {
    await writeFile(instance.at('/proc/uptime'), `${uptime}.00 100.00\n`)
    await instance.stub('curl', curl)
    const { code, calls } = await instance.run(report)
    expect(code).toBe(0)
    expect(calls.at(-1)).toContain(' MetricName=MemoryUsed,')
    return /MetricName=Ready,Value=(\d)/.exec(String(calls.at(-1)))?.[1]
  }
  const isAway = 'exit 7'
  expect(await readyIn(60, isAway)).toBeUndefined()
  expect(await readyIn(599, isAway)).toBeUndefined()
  expect(await readyIn(600, isAway)).toBe('0')
  // Once it was there, it is missed at once.
  expect(await readyIn(120, '')).toBe('1')
  expect(await readyIn(180, isAway)).toBe('0')
})

const metadata = `case "$*" in
  *'--request PUT'*/latest/api/token) echo token ;;
  *'X-aws-ec2-metadata-token: token'*/latest/meta-data/local-ipv4) echo 172.31.0.7 ;;
  *'X-aws-ec2-metadata-token: token'*/latest/meta-data/instance-id) echo i-0123456789abcdef0 ;;
  *) exit 22 ;;
esac`
const isReady = (url: string) => `[[ "$*" != *${url} ]] || exit 0\n${metadata}`

/** An instance to which the address that peers know is to move. */
async function instanceToMoveTo(variant: (typeof variants)[number]) {
  const instance = await freshInstance()
  await instance.run(setUpScript(variant))
  const report = (await instance.read('/usr/local/sbin/parley-report')).text
  const taken = async () => (await instance.list('/etc/parley')).includes('/etc/parley/address')
  return {
    taken,
    /** A minute, in which the server answers as `curl` says and AWS as `aws` says. */
    async minute(curl: string, aws: string) {
      await instance.stub('curl', curl)
      await instance.stub('aws', `[[ $1 == cloudwatch ]] || { ${aws}; }`)
      const { code, calls } = await instance.run(report)
      expect(code).toBe(0)
      const asked = calls.filter(call => call.startsWith('aws ec2 '))
      const ready = /MetricName=Ready,Value=(\d)/.exec(String(calls.at(-1)))?.[1]
      return { asked, ready, calls }
    },
  }
}
const association = (how: string) =>
  `aws ec2 associate-address --region eu-central-1 --allocation-id eipalloc-known --instance-id i-0123456789abcdef0 --${how} --cli-connect-timeout 4 --cli-read-timeout 8`
const isInUse = `[[ "$*" != *--no-allow-reassociation* ]] || exit 254`

withTerraform('the Elastic IP moves from another server once this one answers, and only once', async () => {
  const { minute, taken } = await instanceToMoveTo('moved')
  const readyz = 'http://127.0.0.1:8001/readyz'
  expect(await minute(metadata, isInUse)).toMatchObject({ asked: [association('no-allow-reassociation')], ready: '0' })
  expect(await taken()).toBe(false)
  // Ready, but AWS refuses: peers do not reach it, and that is reported.
  expect(await minute(isReady(readyz), 'exit 254')).toMatchObject({
    asked: [association('allow-reassociation')],
    ready: '0',
  })
  expect(await taken()).toBe(false)
  expect(await minute(isReady(readyz), isInUse)).toMatchObject({
    asked: [association('allow-reassociation')],
    ready: '1',
  })
  expect(await taken()).toBe(true)
  // An operator may have given it back to the other server.
  expect(await minute(isReady(readyz), isInUse)).toMatchObject({ asked: [], ready: '1' })
})

withTerraform('an Elastic IP that nobody has is taken at once', async () => {
  const { minute, taken } = await instanceToMoveTo('moved')
  expect((await minute(metadata, isInUse.replace('exit 254', 'exit 0'))).ready).toBe('0')
  expect(await taken()).toBe(true)
})

withTerraform(
  'with a domain, the server itself is asked, as Caddy gets no certificate without the address',
  async () => {
    const { minute, taken } = await instanceToMoveTo('everything')
    expect((await minute(metadata, isInUse)).asked).toEqual([association('no-allow-reassociation')])
    expect(await taken()).toBe(false)
    const { asked, calls } = await minute(isReady('http://127.0.0.1:8001/readyz'), isInUse)
    expect(asked).toEqual([association('allow-reassociation')])
    expect(await taken()).toBe(true)
    expect(calls).toContain('systemctl restart --no-block parley-caddy.service')
  },
)

const turnSecret = '/usr/local/sbin/parley-turn-secret'
const keptSecret = '/etc/parley/turn-secret'

/** An instance that was set up, but has not fetched its secret yet. */
async function instanceToFetch(variant: (typeof variants)[number]): Promise<Sandbox> {
  const instance = await freshInstance()
  await instance.run(setUpScript(variant))
  await instance.stub('aws', `echo ${secret}`)
  await instance.stub('chown')
  await instance.stub('curl', metadata)
  return instance
}

/** The files that parley-turn-secret makes, on an instance with everything. */
async function instanceWithSecret(): Promise<{ instance: Sandbox; calls: readonly string[] }> {
  const instance = await instanceToFetch('full')
  const { code, output, calls } = await instance.run((await instance.read(turnSecret)).text)
  expect(output).toBe('')
  expect(code).toBe(0)
  return { instance, calls }
}

withTerraform('the secret of the TURN server gets into two files in memory and into no command', async () => {
  const { instance, calls } = await instanceWithSecret()
  expect(await instance.list('/run')).toEqual(['/run/parley/turn.env', '/run/parley/turnserver.conf'])
  expect(await instance.read('/run/parley/turn.env')).toEqual({ text: `PARLEY_TURN_SECRET=${secret}\n`, mode: '600' })
  const { text, mode } = await instance.read('/run/parley/turnserver.conf')
  expect(mode).toBe('400')
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      `static-auth-secret=${secret}`,
      'listening-ip=172.31.0.7',
      'relay-ip=172.31.0.7',
      'external-ip=203.0.113.10',
    ]),
  )
  expect(calls).toContainEqual(expect.stringMatching(/^chown 65534:65534 \S+\/turnserver\.conf$/))
  expect(calls[0]).toStartWith(
    'aws ssm get-parameter --region eu-central-1 --name /parley-production/turn-secret --with-decryption --query Parameter.Value --output text',
  )
  expect(calls.filter(call => call.includes(secret))).toEqual([])
  const service = (await instance.read(`${units}/parley.service`)).text
  expect(service).toContain('--env-file /run/parley/turn.env')
})

withTerraform('the user that all peers share gets to coturn and the server in the same way', async () => {
  const instance = await instanceToFetch('everything')
  const { code, calls } = await instance.run((await instance.read(turnSecret)).text)
  expect(code).toBe(0)
  expect(calls[0]).toContain(' --name /parley-production/turn-password --with-decryption ')
  expect(await instance.read('/run/parley/turn.env')).toEqual({ text: `TURN_PASSWORD=${secret}\n`, mode: '600' })
  const { text, mode } = await instance.read('/run/parley/turnserver.conf')
  expect(mode).toBe('400')
  expect(text.split('\n')).toContain(`user=sleap:${secret}`)
  expect(text).not.toContain('auth-secret')
})

withTerraform('the password of a TURN server elsewhere gets to the server in the same way', async () => {
  const instance = await instanceToFetch('elsewhere')
  const { code, calls } = await instance.run((await instance.read(turnSecret)).text)
  expect(code).toBe(0)
  expect(calls).toEqual([expect.stringContaining(' --name /team/turn-password --with-decryption ')])
  expect(await instance.list('/run')).toEqual(['/run/parley/turn.env'])
  expect(await instance.read('/run/parley/turn.env')).toEqual({ text: `TURN_PASSWORD=${secret}\n`, mode: '600' })
})

for (const variant of ['full', 'elsewhere'] as const) {
  withTerraform(`a reboot while AWS does not answer starts with the secret of before: ${variant}`, async () => {
    const instance = await instanceToFetch(variant)
    const script = (await instance.read(turnSecret)).text
    await instance.run(script)
    expect((await instance.read(keptSecret)).mode).toBe('600')
    const files = await instance.list('/run')
    const contents = () => Promise.all(files.map(file => instance.read(file)))
    const before = await contents()

    await rm(instance.at('/run/parley'), { recursive: true })
    await instance.stub('aws', 'exit 255')
    await instance.stub('curl', 'exit 7')
    const { code, output } = await instance.run(script)
    expect(output).toBe('Parameter Store does not answer: starting with the secret of the last time.\n')
    expect(code).toBe(0)
    expect(await instance.list('/run')).toEqual(files)
    expect(await contents()).toEqual(before)

    // Raised turn_secret_version: what was kept is not what peers and coturn are to agree on.
    await rm(instance.at('/run/parley'), { recursive: true })
    const raised = script.replace(/^(version=\S+):1$/m, '$1:2')
    expect(raised).not.toBe(script)
    expect((await instance.run(raised)).code).toBe(1)
    await instance.stub('aws', 'echo another')
    await instance.stub('curl', metadata)
    expect((await instance.run(raised)).code).toBe(0)
    expect((await instance.read('/run/parley/turn.env')).text).toEndWith('=another\n')
    expect((await instance.read(keptSecret)).text).not.toContain(secret)
  })
}

withTerraform('without its secret nothing is left half made', async () => {
  const instance = await instanceToFetch('full')
  const script = (await instance.read(turnSecret)).text
  await instance.stub('aws', 'exit 254')
  expect((await instance.run(script)).code).toBe(1)
  await instance.stub('aws', `echo ${secret}`)
  await instance.stub('curl', 'exit 7')
  expect((await instance.run(script)).code).toBe(1)
  expect(await instance.list('/run')).toEqual([])
  expect(await instance.list('/etc/parley')).not.toContain(keptSecret)
})

withCoturn('coturn relays to the Internet with this configuration, and not into networks of its own', async () => {
  const { instance } = await instanceWithSecret()
  const coturn = await startCoturnWith((await instance.read('/run/parley/turnserver.conf')).text)
  expect(await coturn.relaysTo('198.51.100.1', secret)).toBe('relayed')
  for (const peer of ['169.254.169.254', '10.0.0.5', '172.31.0.7', '192.168.217.2', '127.0.0.1', '100.64.0.1']) {
    expect([peer, await coturn.relaysTo(peer, secret)]).toEqual([peer, 'forbidden'])
  }
  expect(await coturn.relaysTo('198.51.100.1', 'another secret')).toBe('unknown')
})

withCoturn('coturn relays for the user that all peers share, and for no other', async () => {
  const instance = await instanceToFetch('everything')
  await instance.run((await instance.read(turnSecret)).text)
  const coturn = await startCoturnWith((await instance.read('/run/parley/turnserver.conf')).text)
  expect(await coturn.relaysTo('198.51.100.1', secret, 'sleap')).toBe('relayed')
  expect(await coturn.relaysTo('169.254.169.254', secret, 'sleap')).toBe('forbidden')
  expect(await coturn.relaysTo('198.51.100.1', 'another', 'sleap')).toBe('unknown')
  expect(await coturn.relaysTo('198.51.100.1', secret, 'another')).toBe('unknown')
})

withIpv6('nor does it when their addresses are written as those of IPv6', async () => {
  const { instance } = await instanceWithSecret()
  const coturn = await startCoturnWith((await instance.read('/run/parley/turnserver.conf')).text)
  for (const peer of ['::1', 'fd00:ec2::254', ...mappedPeers]) {
    expect([peer, await coturn.relaysTo(peer, secret)]).toEqual([peer, 'forbidden'])
  }
  expect(await coturn.relaysTo('2001:db8::1', secret)).toBe('relayed')
})

withCaddy('Caddy takes its configuration', async () => {
  const instance = await freshInstance()
  await instance.run(setUpScript('full'))
  const config = instance.at('/etc/parley/Caddyfile')
  const { success, stderr } = Bun.spawnSync(['caddy', 'adapt', '--validate', '--config', config], {
    env: { PATH: process.env.PATH ?? '', HOME: instance.at('/run') },
  })
  expect(success, stderr.toString()).toBe(true)
  // What e2e/compose-tls.test.ts asks Caddy about.
  const matcher = /^\t@websocket .+$/m.exec(await readFile(join(root, 'docker/Caddyfile'), 'utf8'))?.[0]
  expect((await instance.read('/etc/parley/Caddyfile')).text.split('\n')).toContain(String(matcher))
})
