import { serverAddress } from '@parley/client'
import { type Context, command, common, type OptionTable, type Values } from '../command.ts'
import { examineAws } from '../doctor/aws/examine-aws.ts'
import { awsPackages } from '../doctor/aws/packages.ts'
import { awsTarget } from '../doctor/aws/target.ts'
import type { CheckResult } from '../doctor/check.ts'
import { examine } from '../doctor/examine.ts'
import { line, summary } from '../doctor/report.ts'
import { UsageError } from '../failure.ts'
import { localServer, webSocket } from '../server.ts'

const text = (value: string, meaning: string) => ({ type: 'string', value, meaning }) as const

/** Those that say where to look with `--aws`. */
const awsOptions = {
  region: text('REGION', 'With --aws: the region. Default: COGNITO_REGION; of the instance: AWS_REGION.'),
  pool: text('ID', 'With --aws: the user pool. Default: COGNITO_USER_POOL_ID'),
  client: text('ID', 'With --aws: its app client. Default: COGNITO_APP_CLIENT_ID'),
  table: text('NAME', 'With --aws: the table of rooms. Default: PARLEY_DYNAMODB_TABLE, or rooms'),
  'table-region': text('REGION', 'With --aws: its region. Default: PARLEY_DYNAMODB_REGION, or that of the pool'),
  instance: text(
    'ID',
    'With --aws: the EC2 instance. Default: that with the address of URL, or with the tag Project=parley',
  ),
  role: text('ROLE', 'With --aws: the role of the server, by its name or ARN. Default: that of the instance'),
  turn: {
    type: 'boolean',
    meaning: 'With --aws: a TURN server runs on the instance. Default: if TURN_HOST or PARLEY_TURN_URLS lead to it',
  },
  'relay-ports': text('FROM-TO', 'With --aws: UDP ports on which it relays. Default: 49152-49651'),
} as const satisfies OptionTable

const options = {
  ws: common.ws,
  aws: { type: 'boolean', meaning: 'Looks at Cognito, DynamoDB, EC2 and IAM instead, and changes nothing.' },
  ...awsOptions,
  json: common.json,
  help: common.help,
} as const satisfies OptionTable

type DoctorValues = Values<typeof options>

export const doctor = command({
  name: 'doctor',
  summary: 'Finds out what works between here and a server, and what to do',
  synopsis: ['doctor [URL] [--ws URL] [--json]', 'doctor --aws [URL] [--instance ID] [OPTION…]'],
  description: [
    'Tries everything that two peers need of a server (without a URL, of that on this machine), one step after the other: HTTP, sign-in, a room, the WebSocket, signaling, STUN, a relay on each TURN server, and how long it takes. What it makes for that it removes again.',
    'With --aws it looks at what a deployment on AWS needs: user pool, app client, table, instance, security group, and the permissions of the role. It takes the names from the variables that the server is given, and credentials where every AWS program finds them. What they may not look at is skipped, and the permission named. Each “code” is explained in docs/doctor-aws.md.',
    'The exit code is 0 if everything works, also with warnings and with what could not be checked, and 1 if something does not.',
  ],
  options,
  examples: [
    ['parley doctor', 'the server of this machine, http://127.0.0.1:8001'],
    ['parley doctor http://192.0.2.7:8001', 'another one'],
    ['parley doctor https://parley.example.com', 'one with TLS; its WebSocket is at /ws'],
    ['parley doctor https://parley.example.com --ws wss://ws.example.com', 'whose WebSocket has an address of its own'],
    ['parley doctor --aws https://parley.example.com', 'the AWS side of it'],
  ],
  events: {
    check: 'name, status ("ok", "warning", "failed", "skipped"), detail, and if there are some, ms, advice and code',
    summary: 'text, exit_code',
  },
  async run(values, operands, context) {
    const [url, extra] = operands
    if (extra !== undefined) throw new UsageError(`“${extra}” is one too many.`, 'doctor')
    const results: CheckResult[] = []
    const { out } = context
    for await (const result of await chosen(values, url, context)) {
      results.push(result)
      out.data({ event: 'check', ...result }, ({ isColoured }) => line(result, { colour: isColoured }))
    }
    const { sentence, exitCode } = summary(results)
    out.data({ event: 'summary', text: sentence, exit_code: exitCode }, ({ bold }) => `\n${bold(sentence)}`)
    return exitCode
  },
})

async function chosen(values: DoctorValues, url: string | undefined, { env, interruption }: Context) {
  const { signal } = interruption
  if (values.aws) {
    const target = awsTarget({ ...values, url }, env)
    return examineAws({ target, packages: await awsPackages(), env, signal })
  }
  const [stray] = Object.keys(awsOptions).filter(name => values[name as keyof typeof awsOptions])
  if (stray !== undefined) throw new UsageError(`--${stray} goes with --aws.`, 'doctor')
  return examine({ ...serverAddress(url ?? localServer, values.ws), WebSocket: await webSocket(), signal })
}
