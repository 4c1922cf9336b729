import { Skip, Trouble } from '../trouble.ts'

/** What `parley doctor --aws` can find; docs/doctor-aws.md says of each what to do. They are stable. */
export const awsCodes = [
  'NO_CREDENTIALS',
  'CREDENTIALS_REFUSED',
  'CLOCK_OFF',
  'NOT_PERMITTED',
  'UNREACHABLE',
  'AWS_REFUSED',
  'POOL_NOT_FOUND',
  'POOL_IN_OTHER_REGION',
  'SIGN_UP_OFF',
  'USERNAME_IS_CONTACT',
  'ATTRIBUTES_REQUIRED',
  'PASSWORD_TOO_SHORT',
  'MFA_REQUIRED',
  'LAMBDA_TRIGGERS',
  'DEVICES_REMEMBERED',
  'THREAT_PROTECTION',
  'CLIENT_NOT_FOUND',
  'CLIENT_HAS_SECRET',
  'PASSWORD_FLOW_OFF',
  'REFRESH_FLOW_OFF',
  'REFRESH_ROTATION',
  'TABLE_NOT_FOUND',
  'TABLE_NOT_ACTIVE',
  'TABLE_KEY',
  'TTL_OFF',
  'TTL_OTHER_ATTRIBUTE',
  'NO_INSTANCE',
  'INSTANCE_NOT_FOUND',
  'INSTANCE_NOT_RUNNING',
  'NO_PUBLIC_ADDRESS',
  'ADDRESS_DIFFERS',
  'NO_ROLE',
  'METADATA_OFF',
  'HOP_LIMIT',
  'IMDSV1',
  'PORT_CLOSED',
  'PORT_RESTRICTED',
  'OUTBOUND_CLOSED',
  'ROLE_NOT_FOUND',
  'PERMISSION_MISSING',
  'PERMISSION_UNSURE',
] as const

export type AwsCode = (typeof awsCodes)[number]

/** Something is wrong. Both are sentences. */
export const wrong = (code: AwsCode, detail: string, advice: string, cause?: unknown): Trouble =>
  new Trouble(detail, advice, { code, cause })

/** Something may be wrong, but Parley works all the same. */
export const doubtful = (code: AwsCode, detail: string, advice: string) =>
  ({ status: 'warning', code, detail, advice, value: undefined }) as const

export const good = (detail: string) => ({ detail, value: undefined }) as const

/** Could not be checked, which says nothing about what it is. */
export const unchecked = (code: AwsCode, detail: string, advice: string): Skip => new Skip(detail, advice, { code })
