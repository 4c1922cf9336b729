import type { Log } from '../log.ts'
import type { Redis } from '../redis/redis.ts'

/** What is wrong with a Redis, in sentences for operators. */
interface Suitability {
  /** Why a node cannot work with it. */
  readonly refusal?: string
  readonly warnings: readonly string[]
}

/**
 * Warns of what a node should not work with. What Redis does not tell, as its rules for users (ACL) may forbid that, counts
 * as right.
 * @throws Error that says what no node can work with
 */
export async function expectSuitable(redis: Pick<Redis, 'send'>, log: Log): Promise<void> {
  const { refusal, warnings } = await suitability(redis)
  if (refusal) throw new Error(refusal)
  for (const sentence of warnings) log.warn({ setting: 'maxmemory-policy' }, sentence)
}

async function suitability(redis: Pick<Redis, 'send'>): Promise<Suitability> {
  const ask = (section: string) => redis.send('INFO', section).then(String, () => '')
  const [cluster, memory] = await Promise.all([ask('cluster'), ask('memory')])
  const warnings: string[] = []
  const policy = fieldOf(memory, 'maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(
      `Redis has maxmemory-policy ${policy}, by which it may throw away rooms and keys that are in use: set it to noeviction.`,
    )
  if (fieldOf(cluster, 'cluster_enabled') !== '1') return { warnings }
  const refusal =
    'PARLEY_REDIS_URL leads to a server of Redis Cluster (cluster_enabled:1), which keeps each room apart: use one server, with replicas if you like.'
  return { refusal, warnings }
}

/** @param info lines of `name:value` */
const fieldOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
