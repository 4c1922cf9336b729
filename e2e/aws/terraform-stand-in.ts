/** One request of Terraform's provider: the operation, such as `DynamoDB_20120810.CreateTable`, and its input. */
export interface Call {
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
}

export interface StandIn {
  readonly url: string
  /** What was asked so far, in its order. */
  readonly calls: readonly Call[]
  stop(): Promise<void>
}

/**
 * AWS as far as Terraform needs it to create the table of rooms and the secret of the TURN server. Tables are
 * dynalite's, for real. What dynalite does not implement (TTL and backups), and the Parameter Store, this answers as if
 * it were done, and remembers what was asked: that AWS then does it is not tested. A second look at a table differs from
 * the first, as dynalite forgets tags and protection.
 * @param dynalite its URL
 */
export async function standInForAws(dynalite: string): Promise<StandIn> {
  const calls: Call[] = []
  const last = (name: string) => calls.findLast(({ operation }) => operation.endsWith(`.${name}`))?.input
  const pointInTimeRecovery = () => {
    const asked = last('UpdateContinuousBackups')?.PointInTimeRecoverySpecification as {
      PointInTimeRecoveryEnabled: boolean
    }
    const isOn = asked?.PointInTimeRecoveryEnabled === true
    const status = isOn ? 'ENABLED' : 'DISABLED'
    return { ContinuousBackupsStatus: 'ENABLED', PointInTimeRecoveryDescription: { PointInTimeRecoveryStatus: status } }
  }
  const parameter = () => {
    const versions = calls.filter(({ operation }) => operation === 'AmazonSSM.PutParameter')
    return { ...last('PutParameter'), Version: versions.length, DataType: 'text', Tier: 'Standard' }
  }

  const answers: Readonly<Record<string, () => object>> = {
    'DynamoDB_20120810.UpdateTimeToLive': () => ({
      TimeToLiveSpecification: last('UpdateTimeToLive')?.TimeToLiveSpecification,
    }),
    'DynamoDB_20120810.DescribeTimeToLive': () => {
      const asked = last('UpdateTimeToLive')?.TimeToLiveSpecification as { AttributeName: string; Enabled: boolean }
      return {
        TimeToLiveDescription: {
          AttributeName: asked.AttributeName,
          TimeToLiveStatus: asked.Enabled ? 'ENABLED' : 'DISABLED',
        },
      }
    },
    'DynamoDB_20120810.UpdateContinuousBackups': () => ({ ContinuousBackupsDescription: pointInTimeRecovery() }),
    'DynamoDB_20120810.DescribeContinuousBackups': () => ({ ContinuousBackupsDescription: pointInTimeRecovery() }),
    'AmazonSSM.PutParameter': () => ({ Version: parameter().Version, Tier: 'Standard' }),
    'AmazonSSM.DeleteParameter': () => ({}),
    'AmazonSSM.GetParameter': () => ({ Parameter: parameter() }),
    'AmazonSSM.DescribeParameters': () => ({ Parameters: [{ ...parameter(), Value: undefined }] }),
    'AmazonSSM.ListTagsForResource': () => ({ TagList: last('PutParameter')?.Tags ?? [] }),
  }

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const operation = request.headers.get('x-amz-target') ?? ''
      const body = await request.text()
      calls.push({ operation, input: JSON.parse(body) as Call['input'] })
      const answer = answers[operation]
      if (!answer) return fetch(dynalite, { method: 'POST', headers: request.headers, body, decompress: false })
      return Response.json(answer(), { headers: { 'content-type': 'application/x-amz-json-1.1' } })
    },
  })
  return { url: server.url.href, calls, stop: () => server.stop(true) }
}
