import { type Answer, listIn, objectIn, textIn } from './answer.ts'
import { type Aws, Refusal } from './calls.ts'
import { doubtful, good, wrong } from './codes.ts'
import type { AwsTarget } from './target.ts'

export type Table = NonNullable<AwsTarget['table']>

/** States in which a table answers (API reference, TableDescription). */
const serving = ['ACTIVE', 'UPDATING']

/** The table as it is (API reference, TableDescription). @throws Trouble, Skip */
export async function describeTable(aws: Aws, { region, name }: Table, signal: AbortSignal) {
  const call = { service: 'dynamodb', region, operation: 'DescribeTable', input: { TableName: name } } as const
  const answer = await aws.ask(call, signal).catch(error => {
    if (!(error instanceof Refusal) || error.reason !== 'ResourceNotFoundException') throw error
    throw wrong(
      'TABLE_NOT_FOUND',
      `There is no table ${name} in ${region} in this account.`,
      `Compare PARLEY_DYNAMODB_TABLE and PARLEY_DYNAMODB_REGION with “aws dynamodb list-tables --region ${region}”, or make it: ${creation(region, name)}`,
      error,
    )
  })
  const table = objectIn(answer.Table)
  const status = textIn(table.TableStatus)
  if (!serving.includes(status)) {
    const advice = status === 'CREATING' ? 'Wait until it is ACTIVE.' : 'Look at it in the console of DynamoDB.'
    throw wrong('TABLE_NOT_ACTIVE', `The table ${name} is ${status}, and takes no rooms.`, advice)
  }
  return { detail: `${name} in ${region} is ${status}.`, value: table }
}

const creation = (region: string, name: string) =>
  `aws dynamodb create-table --region ${region} --table-name ${name} --billing-mode PAY_PER_REQUEST --attribute-definitions AttributeName=room_id,AttributeType=S --key-schema AttributeName=room_id,KeyType=HASH`

/** The key must be `room_id`, a string, and nothing else. @throws Trouble */
export function keyOf(table: Answer) {
  const types = new Map(
    listIn(table.AttributeDefinitions)
      .map(objectIn)
      .map(({ AttributeName, AttributeType }) => [AttributeName, AttributeType]),
  )
  const parts = listIn(table.KeySchema)
    .map(objectIn)
    .map(
      ({ AttributeName, KeyType }) =>
        `${textIn(AttributeName)} (${textIn(types.get(AttributeName))}, ${textIn(KeyType)})`,
    )
  if (parts.join() === 'room_id (S, HASH)') return good('It is room_id, a string.')
  const detail = `The key is ${parts.join(' and ')}; it must be room_id (S, HASH) alone.`
  throw wrong('TABLE_KEY', detail, 'This cannot be changed: make another table, and set PARLEY_DYNAMODB_TABLE to it.')
}

/** Whether rooms that have ended are cleared away (API reference, TimeToLiveDescription). @throws Trouble, Skip */
export async function checkTtl(aws: Aws, { region, name }: Table, signal: AbortSignal) {
  const call = { service: 'dynamodb', region, operation: 'DescribeTimeToLive', input: { TableName: name } } as const
  const { TimeToLiveStatus, AttributeName } = objectIn((await aws.ask(call, signal)).TimeToLiveDescription)
  const command = (specification: string) =>
    `aws dynamodb update-time-to-live --region ${region} --table-name ${name} --time-to-live-specification ${specification}`
  const on = command('Enabled=true,AttributeName=expires_at')
  if (TimeToLiveStatus !== 'ENABLED' && TimeToLiveStatus !== 'ENABLING') {
    const detail =
      'The time to live is off: rooms that have ended are refused all the same, but their items stay, and cost.'
    return doubtful('TTL_OFF', detail, `Switch it on: ${on}`)
  }
  if (AttributeName === 'expires_at') return good('Items are cleared away by expires_at.')
  const detail = `The time to live looks at ${textIn(AttributeName)}, not at expires_at: rooms that have ended stay.`
  const off = command(`Enabled=false,AttributeName=${textIn(AttributeName)}`)
  return doubtful('TTL_OTHER_ATTRIBUTE', detail, `Switch it off (${off}), wait an hour, and switch it on: ${on}`)
}
