import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Job, readRecord, runJob } from '../../../scripts/backup/job.ts'
import { Fail, Refused } from '../../../scripts/lib/fail.ts'
import { takeLock } from '../../../scripts/lib/lock.ts'

let directory: string
let said: string
let printed: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-job-'))
  said = ''
  printed = ''
  const into = (put: (text: string) => void) => (text: string | Uint8Array) => {
    put(text.toString())
    return true
  }
  vi.spyOn(process.stderr, 'write').mockImplementation(into((text) => (said += text)))
  vi.spyOn(process.stdout, 'write').mockImplementation(into((text) => (printed += text)))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(directory, { recursive: true })
})

const job = (run: Job['run'], json = true) =>
  runJob({ name: 'backup-media', lock: `test-${process.pid}`, json, directory, run })

describe.skipIf(process.getuid?.() !== 0)('a job (needs root)', () => {
  it('records its success, prints the record, and says what it does', async () => {
    const code = await job(async (progress) => {
      progress('counting')
      return { files: 3 }
    })
    expect(code).toBe(0)
    const record = JSON.parse(printed)
    expect(record).toMatchObject({ job: 'backup-media', ok: true, result: { files: 3 } })
    expect(record.last_success).toBe(record.started)
    expect(await readRecord('backup-media', directory)).toEqual(record)
    expect((await stat(join(directory, 'backup-media.json'))).mode & 0o777).toBe(0o600)
    expect(said).toContain('counting')
  })

  it('records its failure with the remedy, and keeps the last success', async () => {
    await job(async () => ({}))
    const { started } = JSON.parse(printed)
    printed = ''
    const code = await job(() => Promise.reject(new Fail('no room', { next: 'make some', output: 'df' })))
    expect(code).toBe(1)
    expect(JSON.parse(printed)).toMatchObject({
      ok: false,
      error: { message: 'no room', next: 'make some' },
      last_success: started,
    })
    expect(said).toMatch(/failed {2}no room\n {4}\| df\n {2}next: make some/)
  })

  it('tells a refusal of its own by the exit code, and records it, since nobody else will', async () => {
    const refuse = () => Promise.reject(new Refused('disk full', { next: 'make room' }))
    expect(await job(refuse)).toBe(3)
    expect(await readRecord('backup-media', directory)).toMatchObject({ ok: false, last_success: null })
  })

  it('is refused while another has its lock, names it, and leaves no record', async () => {
    const lock = await takeLock(`test-${process.pid}`)
    const run = vi.fn()
    expect(await job(run)).toBe(3)
    await lock.release()
    expect(run).not.toHaveBeenCalled()
    expect(said).toContain(`kill ${process.pid}`)
    expect(JSON.parse(printed)).toMatchObject({ ok: false, refused: true })
    expect(await readdir(directory)).toEqual([])
  })

  it('gives its lock back after a failure', async () => {
    await job(() => Promise.reject(new Error('x')))
    expect(await job(async () => ({}))).toBe(0)
  })

  it('prints nothing on standard output unless asked', async () => {
    await job(async () => ({}), false)
    expect(printed).toBe('')
  })

  it('survives a damaged record', async () => {
    await writeFile(join(directory, 'backup-media.json'), '{"job":')
    expect(await job(() => Promise.reject(new Error('x')))).toBe(1)
    expect(JSON.parse(await readFile(join(directory, 'backup-media.json'), 'utf8')).last_success).toBeNull()
  })
})
