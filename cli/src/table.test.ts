import { expect, test } from 'bun:test'
import { table } from './table.ts'

test('a table has columns as wide as their widest cell', () => {
  const rows = [
    ['ROOM', 'PEERS', 'NAME'],
    ['8ngcjnrtf6mjg', '1', '世界'],
    ['x', '12 of 20', ''],
  ]
  expect(table(rows)).toEqual([
    'ROOM           PEERS     NAME',
    '8ngcjnrtf6mjg  1         世界',
    'x              12 of 20',
  ])
})
