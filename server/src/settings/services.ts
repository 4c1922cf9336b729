import { z } from 'zod'
import { awsRegion, issuerUrl, matching, oneOfOrNone, userPoolId } from '../formats.ts'
import { setting } from './setting.ts'

/** Who gives out identities, and where rooms are kept. */
export const services = {
  identityKind: setting(
    'PARLEY_IDENTITY',
    oneOfOrNone(['local', 'cognito', 'oidc']),
    '',
    'Who gives out identities. `local`: this server, with a key in its data folder. `cognito`: an Amazon Cognito user pool, in which each anonymous sign-in is a user. `oidc`: an OpenID provider, at which peers sign in themselves. Empty: `cognito` if one of the three `COGNITO_` settings is set, otherwise `local`; `COGNITO_REGION` alone does not count where `PARLEY_ROOM_STORE` is `dynamodb`, as it may be meant for the table.',
  ),
  cognitoRegion: setting('COGNITO_REGION', awsRegion, '', 'AWS region of the Cognito user pool.'),
  cognitoUserPoolId: setting(
    'COGNITO_USER_POOL_ID',
    userPoolId,
    '',
    'The Cognito user pool. For credentials and endpoints see [AWS](#aws).',
  ),
  cognitoAppClientId: setting(
    'COGNITO_APP_CLIENT_ID',
    matching(/^\w{1,128}$/, 'must be the id of an app client'),
    '',
    'The app client in that pool: without a secret, and allowed `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`.',
  ),
  oidcIssuer: setting(
    'PARLEY_OIDC_ISSUER',
    issuerUrl,
    '',
    'The OpenID provider whose ID tokens are taken: its issuer, as it stands in them. Plain `http:` only on this machine.',
  ),
  oidcAudience: setting(
    'PARLEY_OIDC_AUDIENCE',
    z.string(),
    '',
    'The client id for which the OpenID provider gives out the ID tokens.',
  ),
  storeKind: setting(
    'PARLEY_ROOM_STORE',
    oneOfOrNone(['sqlite', 'dynamodb', 'redis']),
    '',
    'Where rooms are kept. `sqlite`: in a file in the data folder. `dynamodb`: in an Amazon DynamoDB table. `redis`: in that of `PARLEY_REDIS_URL`. Empty: `dynamodb` where identities come from Cognito, `redis` where there is one, otherwise `sqlite`.',
  ),
  dynamodbTable: setting(
    'PARLEY_DYNAMODB_TABLE',
    matching(/^[\w.-]{3,255}$/, 'must be the name of a DynamoDB table'),
    'rooms',
    'The DynamoDB table; its key is `room_id`, a string. For credentials and endpoints see [AWS](#aws).',
  ),
  dynamodbRegion: setting(
    'PARLEY_DYNAMODB_REGION',
    awsRegion,
    '',
    'AWS region of the DynamoDB table. Empty: `COGNITO_REGION`.',
  ),
} as const
