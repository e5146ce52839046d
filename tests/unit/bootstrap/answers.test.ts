import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collectAnswers, formatAnswers } from '../../../bootstrap/lib/answers.ts'
import { Fail } from '../../../scripts/lib/fail.ts'
import { ANSWERS } from './recorder.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'answers-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function collect(text: string | undefined) {
  const file = join(directory, 'answers.yaml')
  if (text === undefined) return collectAnswers({ remembered: join(directory, 'none'), interactive: false })
  await writeFile(file, text)
  return collectAnswers({ file, remembered: join(directory, 'none'), interactive: false })
}

describe('collectAnswers', () => {
  it('reads back what it remembered', async () => {
    expect(await collect(formatAnswers(ANSWERS))).toEqual(ANSWERS)
  })

  it('defaults to Let’s Encrypt', async () => {
    const { acme_server: _, ...rest } = ANSWERS
    expect((await collect(JSON.stringify(rest))).acme_server).toMatch(
      /^https:\/\/acme-v02\.api\.letsencrypt\.org\//,
    )
  })

  it('names every missing field at once, with an example', async () => {
    const error = await collect(undefined).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(Fail)
    expect((error as Fail).message).toMatch(/domain:[\s\S]*email:[\s\S]*images:/)
    expect((error as Fail).next).toContain('domain: wa.example.org')
  })

  it.each([
    ['https://wa.example.org', /domain: a host name in lower case/],
    ['WA.example.org', /domain/],
    ['wa.example.org/x', /domain/],
    ['wa..example.org', /domain/],
    ['-wa.example.org', /domain/],
    ['localhost', /domain/],
    ['wa.example.org; rm -rf /', /domain/],
  ])('refuses the domain %s', async (domain, message) => {
    await expect(collect(JSON.stringify({ ...ANSWERS, domain }))).rejects.toThrow(message)
  })

  it.each(['*-*-* 0/6:00:00 UTC', 'Mon..Fri 03:15', 'hourly'])('takes the calendar %s', async (text) => {
    const answers = { ...ANSWERS, backup_calendar: text }
    expect((await collect(formatAnswers(answers))).backup_calendar).toBe(text)
  })

  it.each(['', 'hourly\nExecStart=/bin/sh', 'hourly; x', '%n', 6])(
    'refuses the calendar %j',
    async (text) => {
      await expect(collect(JSON.stringify({ ...ANSWERS, backup_calendar: text }))).rejects.toThrow(
        /backup_calendar: times of systemd, such as/,
      )
    },
  )

  it('takes whole days of retention, and no others', async () => {
    const answers = { ...ANSWERS, messages_retention_days: 90, media_retention_days: 30 }
    expect(await collect(formatAnswers(answers))).toEqual(answers)
    for (const wrong of [0, 1.5, 36_501, '90']) {
      await expect(collect(JSON.stringify({ ...ANSWERS, media_retention_days: wrong }))).rejects.toThrow(
        /media_retention_days: whole days, 1 to 36500/,
      )
    }
  })

  it('refuses an image without a digest, an unknown field, and text that is not YAML', async () => {
    await expect(
      collect(JSON.stringify({ ...ANSWERS, images: { app: 'whatsapp-mcp:latest' } })),
    ).rejects.toThrow(/images\.app: an image by digest/)
    await expect(collect(JSON.stringify({ ...ANSWERS, domian: 'x' }))).rejects.toThrow(/domian/)
    await expect(collect('domain: [')).rejects.toThrow(/not valid YAML/)
  })
})
