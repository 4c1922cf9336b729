import type { Environment } from '../../command.ts'
import { wrong } from './codes.ts'

/** The services that are asked, by what requests to them are signed for. */
export type Service = 'cognito-idp' | 'dynamodb' | 'ec2' | 'iam' | 'sts'

/** As the AWS SDKs call them ("Service-specific endpoints" in their reference guide). */
const variables: { readonly [S in Service]: string } = {
  'cognito-idp': 'AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER',
  dynamodb: 'AWS_ENDPOINT_URL_DYNAMODB',
  ec2: 'AWS_ENDPOINT_URL_EC2',
  iam: 'AWS_ENDPOINT_URL_IAM',
  sts: 'AWS_ENDPOINT_URL_STS',
}

export interface Endpoint {
  readonly url: URL
  /** The region that requests are signed for. */
  readonly region: string
}

/** Parts of AWS that know nothing of each other. IAM is there once, in one region (its "Endpoints and quotas"). */
function partitionOf(region: string) {
  if (region.startsWith('cn-')) {
    return {
      name: 'aws-cn',
      suffix: 'amazonaws.com.cn',
      iam: 'iam.cn-north-1.amazonaws.com.cn',
      iamRegion: 'cn-north-1',
    }
  }
  if (region.startsWith('us-gov-')) {
    return { name: 'aws-us-gov', suffix: 'amazonaws.com', iam: 'iam.us-gov.amazonaws.com', iamRegion: 'us-gov-west-1' }
  }
  return { name: 'aws', suffix: 'amazonaws.com', iam: 'iam.amazonaws.com', iamRegion: 'us-east-1' }
}

/** Where a service of a region is, or where the environment says. @throws Trouble if what it says is no URL */
export function endpointOf(service: Service, region: string, env: Environment): Endpoint {
  const { suffix, iam, iamRegion } = partitionOf(region)
  const own = service === 'iam' ? iam : `${service}.${region}.${suffix}`
  const variable = [variables[service], 'AWS_ENDPOINT_URL'].find(name => env[name])
  const given = variable === undefined ? '' : (env[variable] ?? '')
  if (given && !(URL.canParse(given) && /^https?:$/.test(new URL(given).protocol))) {
    throw wrong(
      'UNREACHABLE',
      `${variable} is no http: or https: URL.`,
      'Correct it, or unset it: then the endpoint of the region is used.',
    )
  }
  return { url: new URL(given || `https://${own}/`), region: service === 'iam' ? iamRegion : region }
}

/** The ARN of something in a region. */
export const arn = (service: Service, region: string, account: string, resource: string): string =>
  `arn:${partitionOf(region).name}:${service}:${region}:${account}:${resource}`
