import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directories, files, fill } from '../../../bootstrap/lib/files.ts'
import { writeAtomically } from '../../../secrets/atomic.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'files-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('files', () => {
  it('notices missing files, other content and other permissions, and mends each', async () => {
    const path = join(directory, 'deep', 'unit')
    const resource = files('unit', async () => [{ path, text: 'new\n', mode: 0o640 }])
    expect(await resource.inspect()).toBe(`${path} is missing`)
    await resource.apply()
    expect(await resource.inspect()).toBeUndefined()
    await writeFile(path, 'old\n')
    expect(await resource.inspect()).toBe(`${path} has other content`)
    await resource.apply()
    await chmod(path, 0o666)
    expect(await resource.inspect()).toBe(`${path} has mode 666, not 640`)
    await resource.apply()
    expect(await resource.inspect()).toBeUndefined()
    expect(await readFile(path, 'utf8')).toBe('new\n')
  })

  it('runs what must follow a change', async () => {
    let reloaded = 0
    const resource = files(
      'unit',
      async () => [{ path: join(directory, 'u'), text: 'x', mode: 0o644 }],
      async () => void reloaded++,
    )
    await resource.apply()
    expect(reloaded).toBe(1)
  })
})

describe('writeAtomically', () => {
  it('leaves neither a temporary file nor a half-written one when the rename fails', async () => {
    await expect(writeAtomically(join(directory, 'taken'), 'text', 0o600)).resolves.toBeUndefined()
    const busy = join(directory, 'busy')
    await directories('d', [{ path: join(busy, 'child'), mode: 0o755 }]).apply()
    await expect(writeAtomically(busy, 'text', 0o600)).rejects.toThrow()
    expect((await readdir(directory)).sort()).toEqual(['busy', 'taken'])
    expect((await stat(busy)).isDirectory()).toBe(true)
  })
})

describe('fill', () => {
  it('fills every place and refuses to leave one open', () => {
    expect(fill('{{a}}/{{b}}/{{a}}', { a: '1', b: '2' })).toBe('1/2/1')
    expect(() => fill('{{a}}', {})).toThrow('{{a}} has no value')
  })
})
