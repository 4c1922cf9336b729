import { beforeAll, expect } from 'bun:test'
import { readCompose, serviceOf } from './compose.ts'
import { buildImage, containerTools } from './container.ts'
import { runImage, startContainer, startProgram } from './container-process.ts'
import { freePorts } from './free-ports.ts'
import { needs } from './needs.ts'
import { quickReference } from './scenarios.ts'

const compose = readCompose('compose.aws-emulated.yaml')
const images = { parley: '', emulated: '' }

if (Object.values(containerTools).every(Boolean)) {
  beforeAll(async () => {
    images.parley = await buildImage('docker/Dockerfile')
    images.emulated = await buildImage('docker/aws-emulated/Dockerfile')
  }, 600_000)
}

/** The services of the file, on this machine's network: their names are its loopback there, their ports free ones. */
needs(containerTools)("the emulated AWS works with the original container's environment", async () => {
  const [cognito, dynamodb, table, parley] = ['cognito', 'dynamodb', 'table', 'parley'].map(name =>
    serviceOf(compose, name),
  )
  const where = { ...cognito?.environment, HOST: '127.0.0.1', PORT: '0' }
  const line = await startProgram(images.emulated, where, cognito?.command ?? [], /running on http:/)
  const cognitoUrl = /http:\/\/[\d.]+:\d+/.exec(line)?.[0] ?? ''

  const [port] = await freePorts(1)
  const command = (dynamodb?.command ?? []).map(word => (word === '4567' ? String(port) : word))
  await startProgram(images.emulated, {}, command, /listening/)
  const tableSettings = onLoopback(table?.environment)
  for (const _ of ['made', 'found']) {
    const { code, stdout } = await runImage(images.emulated, tableSettings, ...(table?.command ?? []))
    expect([code, stdout]).toEqual([0, 'The table rooms is there.\n'])
  }

  const turn = { TURN_HOST: 'turn.example', TURN_PORT: '3478', TURN_USERNAME: 'user', TURN_PASSWORD: 'password' }
  const settings = { ...onLoopback(parley?.environment), ...turn }
  const container = await startContainer({ image: images.parley, settings })
  expect((await fetch(`${container.httpUrl}/readyz`)).status).toBe(200)
  const secrets = await quickReference(container)
  await container.stop()
  for (const secret of [...secrets, turn.TURN_PASSWORD]) expect(container.log.join('\n')).not.toContain(secret)

  function onLoopback(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
    const moved = Object.entries(environment).map(([name, value]) => [
      name,
      value.replace('http://cognito:9229', cognitoUrl).replace('http://dynamodb:4567', `http://127.0.0.1:${port}`),
    ])
    return Object.fromEntries(moved)
  }
})
