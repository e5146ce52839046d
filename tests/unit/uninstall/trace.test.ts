import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { domainInAnswers } from '../../../scripts/uninstall/domain.ts'
import { paths, present, run } from '../../../scripts/uninstall/trace.ts'
import { scratch } from '../secrets/fixtures.ts'

describe('paths', () => {
  it('finds what is there, removes it, and the directory once it is empty', async () => {
    const place = await scratch()
    for (const name of ['one', 'two']) {
      await mkdir(join(place, name))
      await writeFile(join(place, name, 'ours.conf'), '')
    }
    await writeFile(join(place, 'two/theirs.conf'), '')
    const files = ['one', 'two', 'missing'].map((name) => join(place, name, 'ours.conf'))
    let after = 0
    const trace = paths('files', () => present(...files), {
      emptied: ['one', 'two', 'missing'].map((name) => join(place, name)),
      after: async () => {
        after += 1
      },
    })
    expect(await trace.inspect()).toBe(`${place}/one/ours.conf, ${place}/two/ours.conf`)
    await trace.remove()
    expect(await trace.inspect()).toBeUndefined()
    expect({ left: await readdir(place), after }).toEqual({ left: ['two'], after: 1 })
    await trace.remove()
  })

  it('takes a star for any ending, and nothing else', async () => {
    const place = await scratch()
    for (const name of ['ours.service', 'ours-b.timer', 'theirs.service', 'xours'])
      await writeFile(join(place, name), '')
    expect(await present(`${place}/ours*`)).toEqual([`${place}/ours-b.timer`, `${place}/ours.service`])
    expect(await present(`${place}/ours`)).toEqual([])
  })
})

describe('run', () => {
  it('says what failed, with the last words', async () => {
    await expect(run('sh', '-c', 'echo why >&2; exit 3')).rejects.toMatchObject({
      message: expect.stringContaining('exit 3 from: sh'),
      output: 'why',
    })
  })
})

describe('the name of the host', () => {
  it('is in the answers, and nowhere once they are gone', async () => {
    const file = join(await scratch(), 'answers.yaml')
    expect(await domainInAnswers(file)).toBeUndefined()
    await writeFile(file, 'domain: wa.example.org\nemail: ops@example.org\n')
    expect(await domainInAnswers(file)).toBe('wa.example.org')
    await writeFile(file, 'domain: "../.."\n')
    await expect(domainInAnswers(file)).rejects.toThrow()
  })
})
