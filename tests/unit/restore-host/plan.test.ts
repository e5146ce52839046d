import { describe, expect, it } from 'vitest'
import { phaseTable } from '../../../scripts/restore-host/phases.ts'
import { estimate } from '../../../scripts/restore-host/plan.ts'
import { nextSteps } from '../../../scripts/restore-host/report.ts'

describe('the estimate', () => {
  it.each([
    ['an empty host', { rows: 0, bytes: 0 }, 2],
    ['a million rows and 2 GB', { rows: 1_000_000, bytes: 2.2e9 }, 3],
    ['a slow download', { rows: 0, bytes: 24e9 }, 20],
  ])('for %s', (_, what, minutes) => {
    expect(estimate(what)).toBe(minutes)
  })
})

describe('the report', () => {
  it('lists phases in the order they began', () => {
    const lines = phaseTable(
      [
        { name: 'second', from: 3, seconds: 1 },
        { name: 'first', from: 0, seconds: 9.5 },
      ],
      12,
    ).split('\n')
    expect(lines.map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['phase', 'from', 'took'],
      ['first', '0.0 s', '9.5 s'],
      ['second', '3.0 s', '1.0 s'],
      ['total', '0.0 s', '12.0 s'],
    ])
  })
})

describe('what is left to do', () => {
  const dns = {
    name: 'wa.example.org',
    type: 'A' as const,
    now: ['203.0.113.7'],
    change_to: '198.51.100.9',
    behind_translation: false,
  }
  const database = { rows: 5, held: 0, unknown: 0 }
  const media = { files: 1, bytes: 1, missing: [] }

  it('begins with the old host, and names the record: what it says now, and what it must say', () => {
    const steps = nextSteps({ dns, database, media })
    expect(steps[0]).toMatch(/^stop the old host/)
    expect(steps[1]).toContain('wa.example.org A 203.0.113.7 → 198.51.100.9')
    expect(steps).toHaveLength(3)
  })

  it('says nothing of DNS that leads here already', () => {
    const steps = nextSteps({
      dns: { ...dns, now: ['198.51.100.9'] },
      database,
      media,
    })
    expect(steps.join('\n')).not.toContain('DNS')
  })

  it('says how to let go what is held, what is unknown and what is missing', () => {
    const steps = nextSteps({
      dns: { ...dns, now: [], behind_translation: true },
      database: { rows: 5, held: 2, unknown: 1 },
      media: { ...media, missing: [{ place: 'a', problem: 'gone' }] },
    }).join('\n')
    expect(steps).toContain('no record → 198.51.100.9 (a private address')
    expect(steps).toContain('wa outbox release ID')
    expect(steps).toContain('1 messages were being sent')
    expect(steps).toContain('1 media files did not come back')
  })
})
