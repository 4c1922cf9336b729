import { z } from 'zod'
import { trustedProxies } from './address.ts'
import { allowedOrigins } from './origins.ts'

// How the text of a setting is read. The sentences say what it must be, and follow its name.

export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine(value => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)

export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })

export const list = z.string().transform(text =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)

export const originList = list.transform((entries, context) => {
  try {
    return allowedOrigins(entries)
  } catch (error) {
    const form = 'must be origins such as https://app.example.com, separated by commas, or *'
    context.addIssue({ code: 'custom', message: `${form} (${(error as Error).message})` })
    return z.NEVER
  }
})

export const proxyList = list.transform((entries, context) => {
  try {
    return trustedProxies(entries)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `must be addresses or networks: ${(error as Error).message}` })
    return z.NEVER
  }
})

// A name, an IPv4 address, or an IPv6 address in brackets; and a port. What they must be is left to `names`.
const host = String.raw`(?:\[[\da-fA-F:.]+\]|[\w.-]+)`
const port = String.raw`(?::[1-9]\d*)?`
const hostForm = new RegExp(`^(${host})$`)
/** RFC 7064 section 3.1. */
const stunForm = new RegExp(`^stuns?:(${host}${port})$`)
/** RFC 7065 section 3.1. */
const turnForm = new RegExp(String.raw`^turns?:(${host}${port})(?:\?transport=(?:udp|tcp))?$`)

/** Whether `text` has the form, and what it names, host and port, can be named in a URL: `192.0.2.256` cannot. */
function names(text: string, form: RegExp): boolean {
  const [, named] = form.exec(text) ?? []
  return named !== undefined && URL.canParse(`http://${named}`)
}

/** A host as it stands in a URL: an IPv6 address gets brackets unless it has them. */
export const hostInUrl = z
  .string()
  .transform(text => (/^[^[].*:/.test(text) ? `[${text}]` : text))
  .refine(text => text === '' || names(text, hostForm), 'must be a host name or an IP address')

/** The word `none` stands for an empty list, as a setting that is empty has its default. */
export const stunUrlList = list
  .transform(urls => (urls.length === 1 && urls[0] === 'none' ? [] : urls))
  .refine(
    urls => urls.every(url => names(url, stunForm)),
    'must be URLs such as stun:stun.example.com:3478, separated by commas, or none',
  )

export const turnUrlList = list.refine(
  urls => urls.every(url => names(url, turnForm)),
  'must be URLs such as turn:turn.example.com:3478?transport=udp, separated by commas',
)

/** Text of a form; empty stays empty. */
export const matching = (form: RegExp, sentence: string) =>
  z.string().refine(text => text === '' || form.test(text), sentence)

/** One of them, or nothing. */
export const oneOfOrNone = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(['', ...values], { error: `must be one of ${values.join(', ')}` })

/** What aws-jwt-verify takes, which knows neither the pools of isolated regions nor their issuers. */
export const userPoolId = matching(
  /^(?:eusc-)?[a-z]{2}-(?:gov-)?[a-z]+-\d_[\da-zA-Z]+$/,
  'must be the id of a user pool, such as eu-central-1_AbCdEf123',
)

export const awsRegion = matching(/^[a-z]{2,}(-[a-z]+)+-\d$/, 'must be an AWS region such as eu-central-1')

/** A name or an address of a service for the AWS SDK, which finds out only with the first request that it is none. */
export const isEndpoint = (text: string): boolean =>
  URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)

/** OpenID Connect Discovery 1.0 section 3: without query and fragment; section 2 asks for TLS, which a loopback needs not. */
export const issuerUrl = z.string().refine(text => {
  if (text === '') return true
  if (!URL.canParse(text)) return false
  const { protocol, hostname, search, hash, username } = new URL(text)
  const isSafe =
    protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname))
  return isSafe && search === '' && hash === '' && username === ''
}, 'must be an https: URL without query and fragment')

/** The path of a file; its contents may be a private key, which platforms that have variables alone invite to set. */
export const filePath = z.string().refine(text => !/[\r\n]|-----BEGIN/.test(text), 'must be the path of a file')

/**
 * The same without the user names and passwords of URLs in it, and without what may be a private key: rather too little
 * is left than too much.
 */
export const withoutCredentials = (text: string): string =>
  text.replaceAll(/([a-z][a-z\d+.-]*:(?:\/\/)?)\S*@/gi, '$1(hidden)@').replace(/-----BEGIN[\s\S]*/, '(hidden)')

/** The form that Redis's own programs take, without options behind it. Empty: none. */
export const redisUrl = z.string().refine(text => {
  if (text === '') return true
  if (/^rediss?:\/\/[^/?#]+(?:\/\d*)?$/.test(text)) return URL.canParse(text)
  // A socket of this machine.
  return /^redis\+unix:\/\/\/[^?#]+$/.test(text)
}, 'must be a URL such as redis://host:6379 or rediss://user:password@host:6379')
