import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { createLogger } from '../../../server/log.ts'

function logged(fields: Record<string, unknown>): Record<string, unknown> {
  const lines: string[] = []
  createLogger('info', { write: (text) => void lines.push(text) }).info(fields, 'event')
  return JSON.parse(lines.join('')) as Record<string, unknown>
}

test('a header bag or a setting that slips in is blacked out, at any depth', () => {
  const line = JSON.stringify(
    logged({
      rid: 'kept',
      headers: { host: 'canary-1' },
      authorization: 'canary-2',
      config: { databasePassword: 'canary-3', inner: { api_key_pepper: 'canary-4', port: 3000 } },
      body: 'canary-5',
    }),
  )
  expect(line).not.toContain('canary')
  expect(line).toContain('"rid":"kept"')
  expect(line).toContain('"port":3000')
})

test('an error keeps its name, code and message, and loses what a driver hangs on it', () => {
  const error = Object.assign(new Error('no such table'), {
    code: '42P01',
    severity: 'ERROR',
    parameters: ['canary'],
  })
  expect(logged({ err: error }).err).toEqual({
    type: 'PostgresError',
    code: '42P01',
    message: 'no such table',
  })
  expect(logged({ err: new TypeError('a defect') }).err).toMatchObject({
    type: 'TypeError',
    stack: expect.any(String),
  })
  expect(logged({ err: 'text' }).err).toEqual({ type: 'string' })
})

test('lines of two loggers reach standard output in the order they were said in', () => {
  const program = `
    import { createLogger } from ${JSON.stringify(new URL('../../../server/log.ts', import.meta.url))}
    const [first, second] = [createLogger('info'), createLogger('info')]
    first.info('one')
    second.info('two')
    first.info('three')`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const said = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(said).toEqual(['one', 'two', 'three'])
})
