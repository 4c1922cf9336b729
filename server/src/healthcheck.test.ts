import { expect, onTestFinished, test } from 'bun:test'
import { createServer } from 'node:net'
import { healthcheck } from './healthcheck.ts'

function serve(status: number): string {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(null, { status }) })
  onTestFinished(() => server.stop(true))
  return `http://127.0.0.1:${server.port}`
}

test('has nothing to say about a server that answers /livez', async () => {
  expect(await healthcheck(serve(200))).toEqual([])
})

test('says what a server answers that is not alive', async () => {
  const url = serve(500)
  expect(await healthcheck(url)).toEqual([`${url}/livez answers 500.`])
})

test('says that nobody listens', async () => {
  const gone = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
  const url = `http://127.0.0.1:${gone.port}`
  await gone.stop(true)
  expect(await healthcheck(url)).toEqual([`${url} cannot be reached (ECONNREFUSED).`])
})

test('gives a server up that takes the question and does not answer', async () => {
  const hung = createServer()
  await new Promise<void>(resolve => hung.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void hung.close())
  const address = hung.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  expect(await healthcheck(url)).toEqual([`${url} does not answer within 3000 ms.`])
})
