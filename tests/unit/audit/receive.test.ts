import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FarSide } from './far-side.ts'
import { LINE } from './fixtures.ts'

const NAME = 'audit-1-4.ndjson.gz'
const sum = (text: string): string => createHash('sha256').update(text).digest('hex')
const put = (far: FarSide, text: string, name = NAME, sha256 = sum(text)) =>
  far.ask(`put ${LINE} ${name} ${sha256}`, text)

function begun(): { far: FarSide; line: string; files: () => string[] } {
  const far = new FarSide()
  expect(far.ask(`begin ${LINE}`).code).toBe(0)
  const line = join(far.directory, LINE)
  return { far, line, files: () => readdirSync(line) }
}

test('a file is kept, read-only, and listed with its checksum', () => {
  const { far, line } = begun()
  expect(far.ask('list')).toEqual({ code: 0, stdout: `line ${LINE}\n`, stderr: '' })
  expect(put(far, 'rows')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(readFileSync(join(line, NAME), 'utf8')).toBe('rows')
  expect(statSync(join(line, NAME)).mode & 0o777).toBe(0o440)
  expect(far.ask('list').stdout).toBe(`line ${LINE}\n${sum('rows')}  ./${LINE}/${NAME}\n`)
})

test('what is there is never replaced: the same again changes nothing, another one is an alarm', () => {
  const { far, line, files } = begun()
  put(far, 'rows')
  const before = statSync(join(line, NAME))
  expect(put(far, 'rows').code).toBe(0)
  expect(put(far, 'lies')).toMatchObject({ code: 4, stderr: `another file has the name ${NAME}\n` })
  expect(put(far, '')).toMatchObject({ code: 4 })
  expect(statSync(join(line, NAME))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs })
  expect(files()).toEqual([NAME])
  expect(far.ask(`begin ${LINE}`).code).toBe(0)
  expect(files()).toEqual([NAME])
})

test('what does not arrive as it was sent is not kept, and leaves nothing', async () => {
  const { far, line, files } = begun()
  expect(put(far, 'rows', NAME, sum('other'))).toMatchObject({ code: 1 })
  const hanging = far.hang(`put ${LINE} ${NAME} ${sum('rows and more')}`, 'rows')
  await expect.poll(files).toEqual([expect.stringContaining('.arriving.')])
  hanging.cut()
  expect(await hanging.ended).toBe(1)
  expect(files()).toEqual([])

  const [stale, recent] = [join(line, '.arriving.stale1'), join(line, '.arriving.recent')]
  for (const path of [stale, recent]) writeFileSync(path, 'half')
  utimesSync(stale, 1, 1)
  put(far, 'rows')
  expect(files().sort()).toEqual(['.arriving.recent', NAME])
})

test.each([
  '',
  'sh',
  'rm -rf .',
  'list; rm -rf .',
  'list /etc',
  'begin',
  'begin ../elsewhere',
  'begin 20270131T120000Z/..',
  'begin 20270131T12000xZ',
  `put ${LINE} ${NAME}`,
  `put ../${LINE} ${NAME} 0`,
  `put . ${NAME} 0`,
  `put ${LINE} ../${NAME} 0`,
  `put ${LINE} audit-/../../x.ndjson.gz 0`,
  `put ${LINE} .ssh 0`,
  `put ${LINE} authorized_keys 0`,
  `put ${LINE} -rf 0`,
  `put ${LINE} audit-*-*.ndjson.gz.sh 0`,
  `put 20270131T120001Z ${NAME} 0`,
  'verify --signers /tmp/mine',
  'rsync --server -logDtpre.iLsfxC . /',
  'internal-sftp',
  'scp -t .',
  '$(touch made)',
  '`touch made`',
])('%j is refused', (command) => {
  const { far, files } = begun()
  writeFileSync(join(far.directory, 'canary'), 'here')
  expect(far.ask(command, 'rows')).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringMatching(/refused: \S/),
  })
  expect(files()).toEqual([])
  expect(readdirSync(far.directory).sort()).toEqual([LINE, 'canary'])
})

test('a name that something else has, a directory or a link, is not followed', () => {
  const { far, line } = begun()
  mkdirSync(join(line, NAME))
  expect(put(far, 'rows')).toMatchObject({ code: 4 })
  expect(readdirSync(join(line, NAME))).toEqual([])
})

test('verify reads the archive with its own keys and answers as JSON', () => {
  const { far } = begun()
  const { code, stdout } = far.ask('verify')
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, faults: ['the archive holds no heartbeat'] })
})
