import type { Environment } from '../../command.ts'
import { noConnection, printable, Trouble } from '../trouble.ts'
import { type Answer, at, objectIn, textIn } from './answer.ts'
import { unchecked, wrong } from './codes.ts'
import { endpointOf, type Service } from './endpoints.ts'
import type { AwsPackages } from './packages.ts'
import { Sha256 } from './sha256.ts'

/** An operation of a service, and who must be allowed to call it. */
export interface Call {
  readonly service: Service
  readonly region: string
  /** As the API reference calls it. */
  readonly operation: string
  readonly input: Readonly<Record<string, string>>
}

/** Asks AWS. All operations that are called only read. */
export interface Aws {
  /**
   * What the service answers, as an object, be it sent as JSON or as XML.
   * @throws Skip if these credentials may not ask; Refusal for any other error of the service; Trouble if there is no answer
   */
  ask(call: Call, signal: AbortSignal): Promise<Answer>
}

/** The error that a service has answered with. */
export class Refusal extends Trouble {
  override readonly name = 'Refusal'

  constructor(
    /** Of the service. */
    readonly reason: string,
    message: string,
    { service, operation }: Call,
  ) {
    const told = printable(message).replace(/\.$/, '')
    super(
      `${service} answers ${operation} with ${reason}${told && `: ${told}`}.`,
      'Look the error up in the documentation of AWS.',
      {
        code: 'AWS_REFUSED',
      },
    )
  }
}

/** The protocols of the services, by their API references. EC2, IAM and STS speak the Query protocol. */
const json = {
  'cognito-idp': { target: 'AWSCognitoIdentityProviderService', version: '1.1' },
  dynamodb: { target: 'DynamoDB_20120810', version: '1.0' },
} as const
const query = { ec2: '2016-11-15', iam: '2010-05-08', sts: '2011-06-15' } as const

/** Who asks may not. The same is called differently from service to service. */
const forbidden =
  /^(AccessDenied(Exception)?|UnauthorizedOperation|NotAuthorized(Exception)?|AuthorizationError(Exception)?)$/
/** Who asks is not known, or no longer. */
const unknownCaller =
  /^(UnrecognizedClient(Exception)?|InvalidClientTokenId|InvalidAccessKeyId|InvalidSignature(Exception)?|SignatureDoesNotMatch|AuthFailure|ExpiredToken(Exception)?|RequestExpired|RequestTimeTooSkewed|MissingAuthenticationToken(Exception)?|IncompleteSignature(Exception)?|InvalidToken|OptInRequired|Blocked)$/
/** Try again soon. */
const overloaded =
  /^(Throttl|RequestLimitExceeded|TooManyRequests|ServiceUnavailable|InternalError|InternalServerError|InternalFailure)/
const pauses = [200, 600]
/** Signatures count for 5 minutes ("Signature Version 4", AWS IAM user guide). Milliseconds. */
const clockTolerance = 270_000

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Asks with these credentials, at the endpoints of the environment. */
export function awsCalls({ SignatureV4, parseXML }: AwsPackages, credentials: Credentials, env: Environment): Aws {
  async function send(call: Call, signal: AbortSignal) {
    const { url, region } = endpointOf(call.service, call.region, env)
    const { body, headers } = requestOf(call)
    const signer = new SignatureV4({ service: call.service, region, credentials, sha256: Sha256 })
    const port = url.port ? { port: Number(url.port) } : {}
    const { hostname, protocol, pathname, host } = url
    const unsigned = { method: 'POST', protocol, hostname, path: pathname, query: {}, ...port }
    const signed = await signer.sign({ ...unsigned, headers: { ...headers, host }, body })
    try {
      const response = await fetch(url, { method: 'POST', headers: signed.headers, body, signal, redirect: 'error' })
      return { status: response.status, date: response.headers.get('date'), text: await response.text() }
    } catch (error) {
      signal.throwIfAborted()
      const { message } = noConnection(error, url.host)
      throw wrong('UNREACHABLE', message, 'Check the region, and the network of this machine.', error)
    }
  }

  return {
    async ask(call, signal) {
      for (const pause of [...pauses, undefined]) {
        const { status, date, text } = await send(call, signal)
        const answer = call.service in json ? parsed(JSON.parse, text) : parsed(parseXML, text)
        if (status === 200 && answer) return call.service in json ? answer : bodyIn(answer, call.operation)
        const { reason, message } = errorIn(answer ?? {}, status)
        if (pause === undefined || !(overloaded.test(reason) || status >= 500)) {
          throw errorOf(call, reason, message, date)
        }
        await waited(pause * (0.5 + Math.random()), signal)
      }
      throw new TypeError('The last try returns or throws.')
    },
  }
}

function requestOf({ service, operation, input }: Call) {
  if (service === 'cognito-idp' || service === 'dynamodb') {
    const { target, version } = json[service]
    const headers = { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': `${target}.${operation}` }
    return { headers, body: JSON.stringify(input) }
  }
  const body = new URLSearchParams({ Action: operation, Version: query[service], ...input }).toString()
  return { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body }
}

function parsed(parse: (text: string) => unknown, text: string): Answer | undefined {
  try {
    return objectIn(parse(text))
  } catch {
    return undefined
  }
}

/** What is in the envelopes: IAM and STS have two. */
function bodyIn(answer: Answer, operation: string): Answer {
  const response = objectIn(answer[`${operation}Response`])
  return objectIn(response[`${operation}Result`] ?? response)
}

function errorIn(answer: Answer, status: number): { reason: string; message: string } {
  const error = objectIn(at(answer, 'ErrorResponse', 'Error') ?? at(answer, 'Response', 'Errors', 'Error') ?? answer)
  const type = textIn(error.__type ?? error.Code).replace(/^.*#/, '')
  return { reason: type || String(status), message: textIn(error.message ?? error.Message) }
}

function errorOf(call: Call, reason: string, message: string, date: string | null): Error {
  const { service, operation } = call
  if (forbidden.test(reason)) {
    const permission = `${service}:${operation}`
    const advice = `Allow ${permission} to these credentials, or look there yourself.`
    return unchecked(
      'NOT_PERMITTED',
      `It could not be checked: that needs ${permission}, which is not allowed.`,
      advice,
    )
  }
  if (!unknownCaller.test(reason)) return new Refusal(reason, message, call)
  const behind = date === null ? 0 : Date.parse(date) - Date.now()
  if (Math.abs(behind) > clockTolerance) {
    const minutes = Math.round(Math.abs(behind) / 60_000)
    const detail = `The clock of this machine is ${minutes} minutes ${behind > 0 ? 'behind' : 'ahead of'} that of AWS, which refuses what is signed with such a time.`
    return wrong('CLOCK_OFF', detail, 'Set the clock, best by NTP (chrony, timedatectl).')
  }
  const detail = `AWS does not accept these credentials (${reason}).`
  return wrong(
    'CREDENTIALS_REFUSED',
    detail,
    'Sign in again, or choose others, with AWS_PROFILE for example; “aws sts get-caller-identity” tries them.',
  )
}

const waited = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
