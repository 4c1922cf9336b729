import { type CognitoLocal, type Pool, startCognitoLocal } from './cognito-local.ts'
import { createRoomsTable, startDynalite } from './dynalite.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const region = 'us-east-1'

/** Cognito and DynamoDB as the original's operator has them, each behind a proxy that can let it fail. */
export interface Aws {
  /** The environment of a server that uses them: what the original's container was given, and where AWS is. */
  readonly settings: Readonly<Record<string, string>>
  readonly cognito: FaultProxy
  readonly dynamodb: FaultProxy
  readonly emulator: CognitoLocal
  readonly pool: Pool
  /** The items of the table, in DynamoDB's own form. */
  items(): Promise<readonly Readonly<Record<string, Record<string, unknown>>>[]>
  /** Writes an item as any other program may. */
  put(item: Readonly<Record<string, string | number>>): Promise<void>
  stop(): Promise<void>
}

/** Starts both, with one pool and the table `rooms`. */
export async function startAws(): Promise<Aws> {
  const [emulator, dynalite] = await Promise.all([startCognitoLocal(region), startDynalite()])
  const [cognito, dynamodb] = await Promise.all([startFaultProxy(emulator.url), startFaultProxy(dynalite.url)])
  const pool = await emulator.createPool()
  await createRoomsTable(dynalite.url)
  return {
    settings: {
      COGNITO_REGION: region,
      COGNITO_USER_POOL_ID: pool.userPoolId,
      COGNITO_APP_CLIENT_ID: pool.clientId,
      AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: cognito.url,
      AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
      // Who asks is not checked, but must be there.
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
    cognito,
    dynamodb,
    emulator,
    pool,
    async items() {
      const { Items } = await dynalite.call('Scan', { TableName: 'rooms' })
      return Items as Awaited<ReturnType<Aws['items']>>
    },
    async put(item) {
      const Item = Object.entries(item).map(([name, value]) => [
        name,
        typeof value === 'number' ? { N: String(value) } : { S: value },
      ])
      await dynalite.call('PutItem', { TableName: 'rooms', Item: Object.fromEntries(Item) })
    },
    async stop() {
      await Promise.all([cognito.close(), dynamodb.close()])
      await Promise.all([emulator.stop(), dynalite.stop()])
    },
  }
}
