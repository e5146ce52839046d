import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FarSide } from './far-side.ts'

const NAME = 'audit-1-4-0a1b2c3d.ndjson.gz'
const sum = (text: string): string => createHash('sha256').update(text).digest('hex')
const put = (far: FarSide, text: string, name = NAME, sha256 = sum(text)) =>
  far.ask(`put ${name} ${sha256}`, text)

const newFarSide = (): { far: FarSide; files: () => string[] } => {
  const far = new FarSide()
  return { far, files: () => readdirSync(far.directory) }
}

test('a file is kept, read-only, and listed with its checksum', () => {
  const { far } = newFarSide()
  expect(far.ask('list')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(put(far, 'rows')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(readFileSync(join(far.directory, NAME), 'utf8')).toBe('rows')
  expect(statSync(join(far.directory, NAME)).mode & 0o777).toBe(0o440)
  expect(far.ask('list').stdout).toBe(`${sum('rows')}  ./${NAME}\n`)
})

test('what is there is never replaced: the same again changes nothing, another one is an alarm', () => {
  const { far, files } = newFarSide()
  put(far, 'rows')
  const before = statSync(join(far.directory, NAME))
  expect(put(far, 'rows').code).toBe(0)
  expect(put(far, 'lies')).toMatchObject({ code: 4, stderr: `another file has the name ${NAME}\n` })
  expect(put(far, '')).toMatchObject({ code: 4 })
  expect(statSync(join(far.directory, NAME))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs })
  expect(files()).toEqual([NAME])
})

test('what does not arrive as it was sent is not kept, and leaves nothing', async () => {
  const { far, files } = newFarSide()
  expect(put(far, 'rows', NAME, sum('other'))).toMatchObject({ code: 1 })
  const hanging = far.hang(`put ${NAME} ${sum('rows and more')}`, 'rows')
  await expect.poll(files).toEqual([expect.stringContaining('.arriving.')])
  hanging.cut()
  expect(await hanging.ended).toBe(1)
  expect(files()).toEqual([])

  const [stale, recent] = [join(far.directory, '.arriving.stale1'), join(far.directory, '.arriving.recent')]
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
  `put ${NAME}`,
  `put ../${NAME} 0`,
  `put sub/${NAME} 0`,
  'put audit-/../../x.ndjson.gz 0',
  'put .ssh 0',
  'put authorized_keys 0',
  'put -rf 0',
  'put audit-*-*.ndjson.gz 0',
  'put audit-1-4.ndjson.gz.sh 0',
  'verify --signers /tmp/mine',
  'rsync --server -logDtpre.iLsfxC . /',
  'internal-sftp',
  'scp -t .',
  '$(touch made)',
  '`touch made`',
])('%j is refused', (command) => {
  const { far, files } = newFarSide()
  writeFileSync(join(far.directory, 'canary'), 'here')
  expect(far.ask(command, 'rows')).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringMatching(/refused: \S/),
  })
  expect(files()).toEqual(['canary'])
})

test('a name that something else has, a directory or a link, is not followed', () => {
  const { far } = newFarSide()
  mkdirSync(join(far.directory, NAME))
  expect(put(far, 'rows')).toMatchObject({ code: 4 })
  expect(readdirSync(join(far.directory, NAME))).toEqual([])
})

test('verify reads the archive with its own keys and answers as JSON', () => {
  const { far } = newFarSide()
  const { code, stdout } = far.ask('verify')
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, faults: ['the archive holds no heartbeat'] })
})
