// Creates the table that rooms are kept in, as the original made it, at the DynamoDB of AWS_ENDPOINT_URL_DYNAMODB. Once it
// is there, does nothing. For emulators, which do not look at who asks: there is no credential in here.

const endpoint = process.env.AWS_ENDPOINT_URL_DYNAMODB
if (!endpoint) throw new Error('AWS_ENDPOINT_URL_DYNAMODB is not set.')
const TableName = process.env.PARLEY_DYNAMODB_TABLE || 'rooms'

const { __type = '' } = await call('CreateTable', {
  TableName,
  AttributeDefinitions: [{ AttributeName: 'room_id', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'room_id', KeyType: 'HASH' }],
  BillingMode: 'PAY_PER_REQUEST',
})
if (__type && !__type.endsWith('#ResourceInUseException')) throw new Error(`CreateTable was refused: ${__type}`)
while ((await call('DescribeTable', { TableName })).Table?.TableStatus !== 'ACTIVE') {
  await new Promise(resolve => setTimeout(resolve, 100))
}
console.log(`The table ${TableName} is there.`)

async function call(operation, input) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${operation}`,
      'x-amz-date': '20260101T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(input),
    signal: AbortSignal.timeout(5_000),
  })
  return response.json()
}
