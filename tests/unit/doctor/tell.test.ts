import { describe, expect, it } from 'vitest'
import type { Answer } from '../../../scripts/doctor/check.ts'
import { changed } from '../../../scripts/doctor/report.ts'
import { composeReport } from '../../../scripts/doctor/tell.ts'

const boot: Answer = {
  id: 'operations.boot',
  statement: 'everything starts at boot',
  verdict: 'no',
  evidence: 'not enabled: certbot.timer, hunter2-hunter2',
  next: 'systemctl enable certbot.timer',
}
const disk: Answer = { id: 'data.disk', statement: 'there is room', verdict: 'yes', evidence: '40 %' }

describe('the report of the night', () => {
  const report = composeReport([boot, disk], {
    host: 'wa1',
    at: new Date('2026-11-21T05:15:00Z'),
    secrets: ['hunter2-hunter2'],
  })

  it('says in one line what is wrong, and that something is right again', () => {
    expect(report.text).toBe('wa1: no longer right: operations.boot; 1 right again')
  })

  it('has a line for each, with the next command and without secrets', () => {
    expect(report.lines).toEqual([
      'no: everything starts at boot: not enabled: certbot.timer, ‹redacted›; next: systemctl enable certbot.timer',
      'yes: there is room: 40 %',
    ])
    expect(report.next).toBe('systemctl enable certbot.timer')
  })
})

describe('what has changed', () => {
  it.each([
    [{}, ['operations.boot']],
    [{ 'operations.boot': 'no' }, []],
    [{ 'operations.boot': 'no', 'data.disk': 'no' }, ['data.disk']],
    [{ 'operations.boot': 'not sure' }, ['operations.boot']],
  ] as const)('since %j', (before, expected) => {
    expect(changed([boot, disk], before).map(({ id }) => id)).toEqual(expected)
  })
})
