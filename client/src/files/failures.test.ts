import { describe, expect, test } from 'bun:test'
import { manualClock } from '../../../server/src/clock.ts'
import { blobLink, content, errorOf, isContent, linkTo, recordingSink, waiting } from '../../test/file-link.ts'
import { ParleyError } from '../errors.ts'
import { type FileHandler, type FileSink, type FileSource, fileSource, type IncomingFile } from './index.ts'
import { sendOver } from './send-file.ts'

/** An error as Node's fs has it. */
const systemError = (code: string) =>
  Object.assign(new Error(`${code}: something is wrong, open '/home/ada/secret.bin'`), { code })

const never = () => new Promise<never>(() => {})

/** Sends a file to a receiver that takes it into this sink, and says how it ended for the two. */
async function endsOf(
  to: () => FileSink | Promise<FileSink>,
  file: Blob | FileSource = new Blob([content(3_000_000)]),
) {
  const here = waiting<ParleyError>()
  const link = linkTo(async incoming => here.push(await errorOf(incoming.save(to()))))
  const there = await errorOf(sendOver(link.open, file))
  return { there, here: await here.next() }
}

const both = (code: string, message: string) => {
  const error = { name: 'ParleyError', code, message }
  return { there: error, here: error }
}

describe('the decision', () => {
  test('may be to decline, with a reason or without', async () => {
    const blob = new Blob(['x'])
    const reasons = linkTo(file => file.decline('Only pictures,\u001b[2J please.'))
    expect(await errorOf(sendOver(reasons.open, blob))).toMatchObject({
      code: 'DECLINED',
      message: 'Only pictures,[2J please.',
    })
    const none = linkTo(file => file.decline())
    expect((await errorOf(sendOver(none.open, blob))).message).toBe('The other peer does not want the file.')
  })

  test('is to decline where nobody decides, or a promise ends without a decision', async () => {
    expect(await errorOf(sendOver(linkTo(undefined).open, new Blob(['x'])))).toMatchObject({
      code: 'DECLINED',
      message: 'The other peer takes no files.',
    })
    const careless = linkTo(async () => {})
    expect((await errorOf(sendOver(careless.open, new Blob(['x'])))).code).toBe('DECLINED')
  })

  test('may be made later, as by somebody who is asked', async () => {
    const asked = waiting<IncomingFile>()
    const link = linkTo(file => asked.push(file))
    const done = sendOver(link.open, new Blob([content(10)]), { random: () => 0 })
    const file = await asked.next()
    // The connection may drop meanwhile.
    link.cut()
    expect(await isContent(await file.blob(), 10)).toBe(true)
    expect((await done).size).toBe(10)
  })

  test('is made once', async () => {
    const link = linkTo(async file => {
      const blob = file.blob()
      expect((await errorOf(file.save(recordingSink().sink))).code).toBe('INVALID_ARGUMENT')
      file.decline()
      await blob
    })
    expect((await sendOver(link.open, new Blob(['x']))).size).toBe(1)
  })

  test('has ten minutes', async () => {
    const clock = manualClock()
    const asked = waiting<IncomingFile>()
    const link = linkTo(file => asked.push(file), { clock })
    const done = errorOf(sendOver(link.open, new Blob(['x'])))
    const file = await asked.next()
    clock.advance(599_999)
    expect(file.signal.aborted).toBe(false)
    clock.advance(1)
    expect(file.signal.aborted).toBe(true)
    expect(await done).toMatchObject({ code: 'TIMEOUT', message: 'Nobody has decided about the file.' })
    expect((await errorOf(file.blob())).code).toBe('TIMEOUT')
  })

  test('fails for both if the one who decides does, with the cause and without the place', async () => {
    const handler: FileHandler = async () => {
      throw new ParleyError('FILE_FAILED', 'The folder for files is not there.')
    }
    expect((await errorOf(sendOver(linkTo(handler).open, new Blob(['x'])))).message).toBe(
      'The folder for files is not there.',
    )
  })

  test('reports what is thrown that has nothing to do with files', () => {
    const script = `
      import { linkTo } from '../../test/file-link.ts'
      import { sendOver } from './send-file.ts'
      process.on('uncaughtException', error => console.log('reported', error.message))
      const failing = [() => { throw new Error('A') }, async () => { throw new Error('B') }]
      for (const handler of failing) {
        await sendOver(linkTo(handler).open, new Blob(['x'])).catch(error => console.log(error.code, error.message))
      }
      const late = linkTo(async file => { await file.blob(); throw new Error('C') })
      await sendOver(late.open, new Blob(['x']), { onProgress() { throw new Error('D') } })
      console.log('sent')`
    const run = Bun.spawnSync([process.execPath, '-e', script], { cwd: import.meta.dir })
    const lines = run.stdout.toString().trim().split('\n')
    const failed = 'FILE_FAILED The receiver could not keep the file.'
    expect([...new Set(lines)].sort()).toEqual([failed, 'reported A', 'reported B', 'reported C', 'reported D', 'sent'])
  })
})

describe('a disk', () => {
  test.each([
    ['ENOSPC', 'The receiver could not keep the file: the disk is full.'],
    ['EDQUOT', 'The receiver could not keep the file: the disk is full.'],
    ['EACCES', 'The receiver could not keep the file: that is not permitted.'],
    ['EROFS', 'The receiver could not keep the file: that is not permitted.'],
    ['EIO', 'The receiver could not keep the file.'],
  ])('that fails with %s fails the file for both, and keeps nothing of it', async (code, message) => {
    let writes = 0
    const { sink, ends } = recordingSink({
      async write() {
        if (++writes > 20) throw systemError(code)
      },
    })
    expect(await endsOf(() => sink)).toMatchObject(both('FILE_FAILED', message))
    expect(ends).toEqual(['abort'])
    const opening = await endsOf(() => Promise.reject(systemError(code)))
    expect(opening).toMatchObject(both('FILE_FAILED', message))
    expect(opening.here.cause).toEqual(systemError(code))
    const finishing = recordingSink({ finish: () => Promise.reject(systemError(code)) })
    expect(await endsOf(() => finishing.sink)).toMatchObject(both('FILE_FAILED', message))
    expect(finishing.ends).toEqual(['finish', 'abort'])
  })

  test('that cannot even remove what it has fails with the first failure', async () => {
    const { sink } = recordingSink({
      write: () => Promise.reject(systemError('ENOSPC')),
      abort: () => Promise.reject(systemError('EIO')),
    })
    expect((await endsOf(() => sink)).here.cause).toEqual(systemError('ENOSPC'))
  })

  test('of a browser has names of its own for that', async () => {
    const full = new WritableStream<Uint8Array<ArrayBuffer>>({
      write: () => Promise.reject(new DOMException('It does not fit.', 'QuotaExceededError')),
    })
    const here = waiting<ParleyError>()
    const link = linkTo(async file => here.push(await errorOf(file.save(full))))
    const message = 'The receiver could not keep the file: the disk is full.'
    expect((await errorOf(sendOver(link.open, new Blob(['x'])))).message).toBe(message)
    expect((await here.next()).message).toBe(message)
  })

  const source = (read: FileSource['read']): FileSource => ({
    ...fileSource(new Blob([])),
    size: 3_000_000,
    read,
  })

  test('that cannot be read fails the file for both', async () => {
    const { sink, ends } = recordingSink()
    const unreadable = source(async (offset, length) => {
      if (offset > 0) throw systemError('EACCES')
      return content(length)
    })
    expect(await endsOf(() => sink, unreadable)).toMatchObject(
      both('FILE_FAILED', 'The sender could not read the file: that is not permitted.'),
    )
    expect(ends).toEqual(['abort'])
  })

  test('whose file changes while it is sent fails it for both', async () => {
    const shorter = source(async (offset, length) => content(offset === 0 ? length : 0))
    expect(await endsOf(() => recordingSink().sink, shorter)).toMatchObject(
      both('FILE_FAILED', 'The file has become shorter.'),
    )
    const changed = source(() => Promise.reject(new ParleyError('FILE_FAILED', 'The file has changed.')))
    expect(await endsOf(() => recordingSink().sink, changed)).toMatchObject(
      both('FILE_FAILED', 'The file has changed.'),
    )
    const browser = source(() => Promise.reject(new DOMException('?', 'NotReadableError')))
    expect((await endsOf(() => recordingSink().sink, browser)).here.message).toBe(
      'The sender could not read the file: it has changed, or may not be read any more.',
    )
  })
})

test('what is not what was sent is kept by nobody', async () => {
  const { sink, ends } = recordingSink()
  const here = waiting<ParleyError>()
  const link = linkTo(async file => here.push(await errorOf(file.save(sink))))
  let messages = 0
  link.onArrival = data => {
    if (typeof data === 'string' || ++messages !== 7) return data
    const bytes = new Uint8Array(data)
    bytes[1000] = (bytes[1000] ?? 0) ^ 1
    return data
  }
  const error = { code: 'CORRUPTED', message: 'What has arrived is not what was sent.' }
  expect(await errorOf(sendOver(link.open, new Blob([content(1_000_000)])))).toMatchObject(error)
  expect(await here.next()).toMatchObject(error)
  expect(ends).toEqual(['abort'])
})

describe('whoever sends may cancel', () => {
  const error = { code: 'ABORTED', message: 'The sender has cancelled the file.' }

  test('before it begins', async () => {
    const { link } = blobLink()
    const options = { signal: AbortSignal.abort('too late') }
    expect(await errorOf(sendOver(link.open, new Blob(['x']), options))).toMatchObject({ ...error, cause: 'too late' })
    expect(link.channels).toHaveLength(0)
  })

  test('while there is no connection, or a pause between attempts', async () => {
    const quit = new AbortController()
    const opening = waiting<AbortSignal>()
    const done = errorOf(
      sendOver(
        request => {
          opening.push(request.signal)
          return never()
        },
        new Blob(['x']),
        { signal: quit.signal },
      ),
    )
    const signal = await opening.next()
    quit.abort()
    expect(await done).toMatchObject(error)
    expect(signal.aborted).toBe(true)

    const { link } = blobLink()
    link.refusal = new ParleyError('UNREACHABLE', 'There is no way.', { retryable: true })
    const tired = new AbortController()
    let attempts = 0
    const clock = manualClock()
    const pause = errorOf(
      sendOver(link.open, new Blob(['x']), {
        clock,
        random: () => 1,
        signal: tired.signal,
        onProgress: ({ status }) => status === 'connecting' && ++attempts === 2 && setImmediate(() => tired.abort()),
      }),
    )
    expect(await pause).toMatchObject(error)
    // Nothing is left to happen.
    clock.advance(100_000)
    expect(attempts).toBe(2)
  })

  test('a channel that opens too late, which is closed', async () => {
    const { link } = blobLink()
    const quit = new AbortController()
    const late = waiting<void>()
    const opened = waiting<void>()
    const open: typeof link.open = async request => {
      await late.next()
      const channel = await link.open({ ...request, signal: new AbortController().signal })
      opened.push()
      return channel
    }
    const done = errorOf(sendOver(open, new Blob(['x']), { signal: quit.signal }))
    quit.abort()
    expect(await done).toMatchObject(error)
    late.push()
    await opened.next()
    await new Promise(resolve => setImmediate(resolve))
    expect(link.last[0].readyState).not.toBe('open')
  })

  test.each(['waiting', 'transferring'] as const)('while it is %s', async status => {
    const quit = new AbortController()
    const { sink, ends } = recordingSink()
    const here = waiting<ParleyError>()
    const asked = waiting<IncomingFile>()
    const link = linkTo(file => {
      asked.push(file)
      if (status === 'transferring') void errorOf(file.save(sink)).then(here.push)
    })
    const done = errorOf(
      sendOver(link.open, new Blob([content(3_000_000)]), {
        signal: quit.signal,
        onProgress: progress =>
          progress.status === status && (status === 'waiting' || progress.bytes > 0) && quit.abort(),
      }),
    )
    expect(await done).toMatchObject(error)
    const file = await asked.next()
    if (status === 'waiting') here.push(await errorOf(file.save(sink)))
    expect(await here.next()).toMatchObject(error)
    expect(file.signal).toMatchObject({ aborted: true, reason: error })
    if (status === 'transferring') expect(ends).toEqual(['abort'])
  })
})

describe('whoever receives may cancel', () => {
  const error = { code: 'ABORTED', message: 'The receiver has cancelled the file.' }

  test('on its way', async () => {
    const quit = new AbortController()
    const { sink, ends } = recordingSink()
    const here = waiting<ParleyError>()
    const link = linkTo(async file => {
      const options = { signal: quit.signal, onProgress: ({ bytes = 0 }) => bytes > 0 && quit.abort() }
      here.push(await errorOf(file.save(sink, options)))
    })
    expect(await errorOf(sendOver(link.open, new Blob([content(3_000_000)])))).toMatchObject(error)
    expect(await here.next()).toMatchObject(error)
    expect(ends).toEqual(['abort'])
  })

  test('before it begins, also while the sink is not open yet', async () => {
    const { sink, ends } = recordingSink()
    const here = waiting<ParleyError>()
    const link = linkTo(async file => {
      const quit = new AbortController()
      const opening = new Promise<FileSink>(resolve => setImmediate(() => resolve(sink)))
      const saved = file.save(opening, { signal: quit.signal })
      quit.abort()
      here.push(await errorOf(saved))
    })
    expect(await errorOf(sendOver(link.open, new Blob([content(100)])))).toMatchObject(error)
    expect(await here.next()).toMatchObject(error)
    await new Promise(resolve => setImmediate(resolve))
    expect(ends).toEqual(['abort'])
  })

  test('all of it, by leaving', async () => {
    const { sink, ends } = recordingSink({ write: () => new Promise(resolve => setImmediate(resolve)) })
    const link = linkTo(file => file.save(sink))
    const error = await errorOf(
      sendOver(link.open, new Blob([content(3_000_000)]), {
        onProgress: ({ bytes }) => bytes > 0 && link.receiver.close(),
      }),
    )
    expect(error).toMatchObject({ code: 'ABORTED', message: 'The receiver has left.' })
    await new Promise(resolve => setImmediate(resolve))
    expect(ends).toEqual(['abort'])
  })
})
