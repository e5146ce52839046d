import { describe, expect, it } from 'vitest'
import { Absences, readStates, type State } from '../../../scripts/supervisor/absences.ts'

const states = (changes: Record<string, State>) =>
  new Map<string, State>(Object.entries({ postgres: 'running', app: 'running', ...changes }))

describe('Absences', () => {
  it('gives Docker three seconds to restart what has crashed', () => {
    const absences = new Absences()
    const killed = states({ app: { exitCode: 137 } })
    expect(absences.judge(killed, 0)).toEqual({ away: ['app'], due: [], hopeless: [] })
    expect(absences.judge(killed, 2_999).due).toEqual([])
    expect(absences.judge(killed, 3_000).due).toEqual(['app'])
  })

  it('gives whoever stopped a service in good order fifteen seconds', () => {
    const absences = new Absences()
    const stopped = states({ app: { exitCode: 0 } })
    absences.judge(stopped, 0)
    expect(absences.judge(stopped, 14_999).due).toEqual([])
    expect(absences.judge(stopped, 15_000).due).toEqual(['app'])
  })

  it('counts from the beginning once a service was seen running', () => {
    const absences = new Absences()
    absences.judge(states({ app: { exitCode: 1 } }), 0)
    absences.judge(states({}), 2_000)
    expect(absences.judge(states({ app: { exitCode: 1 } }), 4_000).due).toEqual([])
    expect(absences.judge(states({ app: { exitCode: 1 } }), 7_000).due).toEqual(['app'])
  })

  it('gives up on a service that was started three times and does not stay', () => {
    const absences = new Absences()
    const crashed = states({ app: { exitCode: 1 } })
    absences.judge(crashed, 0)
    for (const now of [3_000, 5_000, 7_000]) expect(absences.judge(crashed, now).due).toEqual(['app'])
    expect(absences.judge(crashed, 9_000)).toEqual({ away: ['app'], due: [], hopeless: ['app'] })
  })

  it('forgets the count of a service that has run for a minute', () => {
    const absences = new Absences()
    const crashed = states({ app: { exitCode: 1 } })
    absences.judge(crashed, 0)
    for (const now of [3_000, 5_000, 7_000]) absences.judge(crashed, now)
    absences.judge(states({}), 10_000)
    absences.judge(states({}), 69_999)
    absences.judge(states({}), 70_000)
    absences.judge(crashed, 72_000)
    expect(absences.judge(crashed, 75_000)).toMatchObject({ due: ['app'], hopeless: [] })
  })

  it('gives whoever replaces a container the same time', () => {
    const absences = new Absences()
    const removed = states({ postgres: { exitCode: undefined } })
    absences.judge(removed, 0)
    expect(absences.judge(removed, 14_999).due).toEqual([])
    expect(absences.judge(removed, 15_000).due).toEqual(['postgres'])
  })
})

describe('readStates', () => {
  it("reads Docker's list, and misses what is not in it", () => {
    const list = [
      'nginx|running|Up 2 minutes (healthy)',
      'nginx|created|Created',
      'app|exited|Exited (137) 3 seconds ago',
      'inngest|exited|Exited (1) 3 seconds ago',
      'postgres|restarting|Restarting (1) 1 second ago',
      '',
    ].join('\n')
    expect([...readStates(list, ['postgres', 'app', 'nginx', 'other'])]).toEqual([
      ['postgres', { exitCode: undefined }],
      ['app', { exitCode: 137 }],
      ['nginx', 'running'],
      ['other', { exitCode: undefined }],
    ])
  })
})
