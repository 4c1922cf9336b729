import { Failure } from '../../failure.ts'

/**
 * The parts of the AWS SDK that find credentials, sign requests and read XML. They are not needed for anything else, so
 * they are optional peer dependencies, and loaded here.
 * @throws Failure that says how to install them
 */
export async function awsPackages() {
  try {
    const [{ defaultProvider }, { SignatureV4 }, { parseXML }] = await Promise.all([
      import('@aws-sdk/credential-provider-node'),
      import('@smithy/signature-v4'),
      import('@aws-sdk/xml-builder'),
    ])
    return { defaultProvider, SignatureV4, parseXML: parseXML as (xml: string) => unknown }
  } catch (cause) {
    throw new Failure(
      'AWS_PACKAGES_MISSING',
      'The checks of AWS need parts of the AWS SDK that are not installed',
      'Install them: npm install @aws-sdk/credential-provider-node @smithy/signature-v4 @aws-sdk/xml-builder',
      { cause },
    )
  }
}

export type AwsPackages = Awaited<ReturnType<typeof awsPackages>>
