import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb'
import { SignalingError } from '@parley/protocol'
import { mayBeSkew } from '../../aws-signature.ts'
import type { Clock } from '../../clock.ts'
import { TimedOut, withTimeout } from '../../resilience/deadline.ts'
import { backoff, retry, sleep } from '../../resilience/retry.ts'

/** All of one call, tries and pauses included. Milliseconds. */
const deadline = 4_000

/** One try. A connection that has gone dead in silence leaves time for another one. Milliseconds. */
const patience = 1_500

/** What a pause after a failed try is at most: at first, and after it has doubled several times. Milliseconds. */
const pauses = [100, 1_600] as const

/** What the wait after a conflict is at most. Milliseconds. */
const conflictPause = 50

/** What DynamoDB calls having had too many requests. Nothing was done then. */
const throttlings = ['ThrottlingException', 'ProvisionedThroughputExceededException', 'RequestLimitExceeded']

export type Item = Readonly<Record<string, AttributeValue>>
export type Update = Omit<UpdateItemCommandInput, 'TableName' | 'Key'>

/**
 * What became of a write on a condition. `refused`: the condition does not hold. `unsure`: so too, but perhaps because
 * an earlier try had succeeded, the answer to which was lost.
 */
export type Outcome = 'written' | 'refused' | 'unsure'

/**
 * A DynamoDB table with the key `room_id`. `by` is when a member must have ended, as an uptime in milliseconds. They
 * all try again after what may pass, and throw SignalingError LIMIT_REACHED if an item would exceed the 400 KB that
 * DynamoDB allows, or else an Error that says what is wrong with the table.
 */
export interface Table {
  /** What `act` makes of its time, which is 4 s; the members that it calls throw an Error as soon as that is over. */
  withDeadline<T>(act: (by: number) => Promise<T>): Promise<T>
  /** A short wait after another node was faster, at random, so that the two do not meet again. */
  giveWay(): Promise<void>
  /** The item as last written. */
  read(key: string, by: number): Promise<Item | undefined>
  /** Those that there are, in any order. @param attributes names, with commas in between; default all */
  readAll(keys: readonly string[], by: number, attributes?: string): Promise<readonly Item[]>
  /** Writes an item if there is none with this key. */
  insert(item: Item, by: number): Promise<Outcome>
  /** Changes an item, on a condition. */
  update(key: string, update: Update, by: number): Promise<Outcome>
  /** Removes an item if this attribute of it has this value. */
  removeIf(key: string, attribute: 'rooms' | 'write_id', value: AttributeValue, by: number): Promise<Outcome>
  /** @returns the item as it was; undefined also if an earlier try has removed it */
  remove(key: string, by: number): Promise<Item | undefined>
  /** What to throw; `what` follows the name of the table. */
  failure(what: string): Error
  /** The same, for whoever asks whether this can be used: without DynamoDB's own words, which the `cause` may have. */
  unavailable(cause: unknown): SignalingError
  close(): void
}

/** Opens `name` without asking for it. */
export function openTable(region: string, name: string, clock: Clock): Table {
  // Tries are counted here: the SDK's own know of no deadline.
  const client = new DynamoDBClient({ region, maxAttempts: 1 })
  const failure = (what: string) => new Error(`The DynamoDB table ${name} in ${region} ${what}`)
  const pause = (longest: number) => sleep(clock, Math.random() * longest)

  /** Says what is wrong, and never what DynamoDB answered: that may be a room with its token. */
  function explained(error: unknown): Error {
    const { name, message } = error as Error
    // There is no other sign of it.
    if (name === 'ValidationException' && /item size/i.test(message)) {
      return new SignalingError('LIMIT_REACHED', 'This is too much for one room, or too many rooms for one identity.')
    }
    const detail = error instanceof SyntaxError ? 'its answer is no JSON' : message.split('\n')[0]
    return Object.assign(failure(`cannot be used (${name}): ${detail}`), { says: sayingOf(error) })
  }

  async function once<T>(by: number, attempt: (options: Options) => Promise<T>): Promise<T> {
    const left = by - clock.uptime()
    if (left <= 0) throw new Late()
    // While it looks for credentials, the SDK does not listen to the signal.
    const answer = withTimeout(clock, Math.min(patience, left), undefined, abortSignal => attempt({ abortSignal }))
    return answer.catch(error => Promise.reject(error instanceof TimedOut ? new Late() : error))
  }

  /** @param unsure called when a try may have changed something although it failed */
  async function ask<T>(by: number, attempt: (options: Options) => Promise<T>, unsure = () => {}): Promise<T> {
    let said: unknown
    return retry(
      clock,
      () => once(by, attempt),
      (error, failures) => {
        if (error instanceof ConditionalCheckFailedException) throw error
        // What an earlier try was answered says more than that there was no time for another one.
        if (!(error instanceof Late)) said = error
        const isSkew = mayBeSkew(error, failures === 1)
        const longest = backoff(pauses, failures)
        if (!(isSkew || mayPass(error)) || clock.uptime() + longest >= by) throw explained(said ?? error)
        if (!isSkew && !isThrottling(error)) unsure()
        return Math.random() * longest
      },
    )
  }

  async function write(by: number, attempt: (options: Options) => Promise<unknown>): Promise<Outcome> {
    let refusal: Outcome = 'refused'
    try {
      await ask(by, attempt, () => {
        refusal = 'unsure'
      })
      return 'written'
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return refusal
      throw error
    }
  }

  return {
    failure,
    unavailable(cause) {
      const says = cause instanceof Error && 'says' in cause ? cause.says : 'cannot be used'
      return new SignalingError('UNAVAILABLE', failure(`${says}.`).message, { cause })
    },
    giveWay: () => pause(conflictPause),

    withDeadline: act => act(clock.uptime() + deadline),

    async read(key, by) {
      const command = { TableName: name, Key: keyOf(key), ConsistentRead: true }
      return (await ask(by, options => client.send(new GetItemCommand(command), options))).Item
    },

    async readAll(keys, by, attributes) {
      const found: Item[] = []
      let wanted: Record<string, AttributeValue>[] = keys.map(keyOf)
      while (wanted.length > 0) {
        // DynamoDB takes a hundred at once, and may leave some of them for later.
        const Keys = wanted.slice(0, 100)
        const asked = { Keys, ConsistentRead: true, ...(attributes && { ProjectionExpression: attributes }) }
        const command = { RequestItems: { [name]: asked } }
        const answer = await ask(by, options => client.send(new BatchGetItemCommand(command), options))
        found.push(...(answer.Responses?.[name] ?? []))
        const left = answer.UnprocessedKeys?.[name]?.Keys ?? []
        if (left.length > 0) await pause(pauses[0])
        wanted = [...left, ...wanted.slice(100)]
      }
      return found
    },

    insert(item, by) {
      const command = { TableName: name, Item: item, ConditionExpression: 'attribute_not_exists(room_id)' }
      return write(by, options => client.send(new PutItemCommand(command), options))
    },

    update(key, update, by) {
      const command = { TableName: name, Key: keyOf(key), ...update }
      return write(by, options => client.send(new UpdateItemCommand(command), options))
    },

    removeIf(key, attribute, value, by) {
      const command = {
        TableName: name,
        Key: keyOf(key),
        ConditionExpression: `${attribute} = :value`,
        ExpressionAttributeValues: { ':value': value },
      }
      return write(by, options => client.send(new DeleteItemCommand(command), options))
    },

    async remove(key, by) {
      const command = { TableName: name, Key: keyOf(key), ReturnValues: 'ALL_OLD' } as const
      return (await ask(by, options => client.send(new DeleteItemCommand(command), options))).Attributes
    },

    close: () => client.destroy(),
  }
}

interface Options {
  readonly abortSignal: AbortSignal
}

const keyOf = (key: string) => ({ room_id: { S: key } })

/** A try took too long. */
class Late extends Error {
  override readonly name = 'TimeoutError'
  constructor() {
    super('no answer in time')
  }
}

const isThrottling = (error: unknown) => throttlings.includes((error as Error).name)

/** What is wrong, in words that follow the name of the table. */
function sayingOf(error: unknown): string {
  const { name } = error as Error
  if (name === 'CredentialsProviderError') return `cannot be asked: there are no AWS credentials (${name})`
  if (!(error instanceof DynamoDBServiceException)) return 'does not answer'
  if (isThrottling(error)) return `is asked too much (${name})`
  if (name === 'ResourceNotFoundException') return `is not there (${name})`
  const { httpStatusCode = 500 } = error.$metadata
  return httpStatusCode >= 500 ? `does not answer as it should (${name})` : `refuses this server (${name})`
}

/** Whether another try may succeed where this one has failed. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof DynamoDBServiceException)) return (error as Error).name !== 'CredentialsProviderError'
  const { httpStatusCode = 500 } = error.$metadata
  return httpStatusCode >= 500 || isThrottling(error)
}
