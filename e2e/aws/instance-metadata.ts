import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The part of EC2's instance metadata service that has the credentials of the instance's role. */
export interface InstanceMetadata {
  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  readonly url: string
  /** How often credentials were given out. */
  readonly given: () => number
  stop(): void
}

const role = 'parley-production'

/** Starts one that insists on a session token, as the Terraform module asks of it (EC2 user guide, "Use IMDSv2"). */
export function startInstanceMetadata(): Promise<InstanceMetadata> {
  const token = crypto.randomUUID()
  let given = 0
  const server = createServer((request, response) => {
    const answer = (status: number, body: string) => response.writeHead(status).end(body)
    const path = request.url ?? ''
    if (request.method === 'PUT' && path === '/latest/api/token') return answer(200, token)
    if (request.headers['x-aws-ec2-metadata-token'] !== token) return answer(401, 'Unauthorized')
    const roles = '/latest/meta-data/iam/security-credentials/'
    if (path === roles) return answer(200, role)
    if (path !== roles + role) return answer(404, 'Not Found')
    given++
    const Expiration = new Date(Date.now() + 6 * 3_600_000).toISOString()
    const credentials = { AccessKeyId: 'ASIAEXAMPLE', SecretAccessKey: 'of-the-role', Token: 'session', Expiration }
    answer(200, JSON.stringify({ Code: 'Success', Type: 'AWS-HMAC', ...credentials }))
  })
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve({ url: `http://127.0.0.1:${port}`, given: () => given, stop: () => void server.close() })
    })
  })
}
