import { expect, onTestFinished, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { givenSettings } from './given-settings.ts'
import { settingsInForce } from './in-force.ts'
import { readSettingsFile } from './settings-file.ts'

function fileWith(text: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-settings-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'parley.toml')
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

test('text, numbers, true and false, and lists of these are taken', () => {
  const { values, lines, faults } = readSettingsFile(
    fileWith(
      '\uFEFFPARLEY_HTTP_PORT = 9_000\r\n"PARLEY_DELETE_BY_ADDRESS" = false\r\nPARLEY_STUN_URLS = [\r\n"stun:a",\r\n"stun:b"]\r\nTURN_PORT = 5 # five',
    ),
  )
  expect(faults).toEqual([])
  expect(Object.fromEntries(values)).toEqual({
    PARLEY_HTTP_PORT: '9000',
    PARLEY_DELETE_BY_ADDRESS: 'off',
    PARLEY_STUN_URLS: 'stun:a,stun:b',
    TURN_PORT: '5',
  })
  expect([lines.get('PARLEY_DELETE_BY_ADDRESS'), lines.get('TURN_PORT')]).toEqual([2, 6])
})

test.each([
  ['PARLEY_HTPP_PORT = 1', ', line 1: "PARLEY_HTPP_PORT" is not a setting; is PARLEY_HTTP_PORT meant?'],
  ['\nparley_http_port = 1', ', line 2: "parley_http_port" is not a setting; is PARLEY_HTTP_PORT meant?'],
  ['anything = 1', ', line 1: "anything" is not a setting.'],
  [
    'AWS_REGION = "x"',
    ', line 1: "AWS_REGION" is not a setting. The AWS SDK reads such names from the environment alone.',
  ],
  ['PARLEY_HOST = 1979-05-27', ', line 1: PARLEY_HOST must be text, a number, true or false, or a list of these.'],
  ['PARLEY_HOST = [[1]]', ', line 1: PARLEY_HOST must be text, a number, true or false, or a list of these.'],
  ['[[servers]]', ', line 1: "servers" is not a setting.'],
  [
    'PARLEY_WS_PORT = 1\nPARLEY_WS_PORT = 2',
    ', line 2: this is not TOML: trying to redefine an already defined table or value. Write NAME = "text", or NAME = 1.',
  ],
  [new Uint8Array([0x41, 0xff]), ': the text is not UTF-8.'],
])('%j is a fault', (text, sentence) => {
  const path = fileWith(text)
  expect(readSettingsFile(path).faults.map(fault => fault.sentence)).toEqual([`${path}${sentence}`])
})

test('no user name and no password of a URL is told', () => {
  const urls = ['https://me:pa/ss,w@rd@id.example', 'turn:me:password@turn.example', 'stun:ada@stun.example']
  const [PARLEY_OIDC_ISSUER, PARLEY_TURN_URLS, PARLEY_STUN_URLS] = urls
  const environment = { PARLEY_IDENTITY: 'oidc', PARLEY_OIDC_ISSUER, PARLEY_TURN_URLS, PARLEY_STUN_URLS }
  const given = givenSettings(environment, undefined)
  const told = settingsInForce(given) + given.faults.map(({ sentence }) => sentence).join('\n')
  expect(told).toContain('https://(hidden)@id.example')
  expect(told).toContain('turn:(hidden)@turn.example')
  expect(told).toContain('stun:(hidden)@stun.example')
  for (const part of ['me:', 'pa/ss', 'rd@', 'password@']) expect(told).not.toContain(part)
})
