import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A DynamoDB of one's own on loopback: empty, in memory, without credentials to check. */
export interface Dynalite {
  readonly url: string
  /** Calls any operation of DynamoDB. @throws Error with the answer, if it is refused */
  call(operation: string, input: object): Promise<Record<string, unknown>>
  /** Resolves when it has ended, and what it kept with it. */
  stop(): Promise<void>
}

/** Ends with whoever started it, also when that is killed. Its own program takes no port 0, so this calls its library. */
const program = `
  process.stdin.on('end', () => process.exit()).resume()
  const server = require('dynalite')({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
  server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))`

/** Starts dynalite in a process of its own, and resolves when it listens. @throws Error if it ends before that */
export async function startDynalite(): Promise<Dynalite> {
  const child = spawn(process.execPath, ['-e', program], { cwd: import.meta.dir, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const [url] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(() => Promise.reject(new Error(`dynalite ended with code ${child.exitCode}`))),
  ])
  return {
    url,
    call: (operation, input) => call(url, operation, input),
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Creates the table of the original, as it was made there: one key, no index, paid by the request. */
export async function createRoomsTable(url: string, name = 'rooms'): Promise<void> {
  await call(url, 'CreateTable', {
    TableName: name,
    AttributeDefinitions: [{ AttributeName: 'room_id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'room_id', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  })
  const status = async () => (await call(url, 'DescribeTable', { TableName: name })).Table as { TableStatus: string }
  while ((await status()).TableStatus !== 'ACTIVE');
}

/** Asks for an operation. Who asks is not checked, but must be there. @throws Error with the answer, if it is refused */
async function call(url: string, operation: string, input: object): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${operation}`,
      'x-amz-date': '20260101T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(input),
  })
  if (!response.ok) throw new Error(`${operation} was refused: ${await response.text()}`)
  return (await response.json()) as Record<string, unknown>
}
