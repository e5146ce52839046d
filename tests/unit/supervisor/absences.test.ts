import { describe, expect, it } from 'vitest'
import { Absences, readStates, type State } from '../../../scripts/supervisor/absences.ts'

const states = (changes: Record<string, State>) =>
  new Map<string, State>(Object.entries({ postgres: 'running', app: 'running', ...changes }))

describe('Absences', () => {
  it('gives Docker three seconds to restart what has crashed', () => {
    const absences = new Absences()
    const killed = states({ app: { exitCode: 137 } })
    expect(absences.judge(killed, 0)).toEqual({ away: ['app'], due: [], hung: [], hopeless: [] })
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
    expect(absences.judge(crashed, 9_000)).toEqual({ away: ['app'], due: [], hung: [], hopeless: ['app'] })
  })

  it('forgets the count of a service that has run for five minutes', () => {
    const absences = new Absences()
    const crashed = states({ app: { exitCode: 1 } })
    absences.judge(crashed, 0)
    for (const now of [3_000, 5_000, 7_000]) absences.judge(crashed, now)
    absences.judge(states({}), 10_000)
    absences.judge(states({}), 309_999)
    absences.judge(states({}), 310_000)
    absences.judge(crashed, 312_000)
    expect(absences.judge(crashed, 315_000)).toMatchObject({ due: ['app'], hopeless: [] })
  })

  it('has a server restarted that has not answered for half a minute, as long as its database is well', () => {
    const absences = new Absences()
    const hung = states({ app: 'unhealthy' })
    expect(absences.judge(hung, 0)).toEqual({ away: ['app'], due: [], hung: [], hopeless: [] })
    expect(absences.judge(hung, 29_999).hung).toEqual([])
    absences.judge(states({ app: 'unhealthy', postgres: 'unhealthy' }), 29_999)
    expect(absences.judge(hung, 30_000).hung).toEqual([])
    expect(absences.judge(hung, 59_999).hung).toEqual([])
    expect(absences.judge(hung, 60_000)).toMatchObject({ due: [], hung: ['app'] })
  })

  it('leaves a database alone that does not answer, and its servers', () => {
    const absences = new Absences()
    for (const postgres of ['unhealthy', { exitCode: 1 }] as const) {
      const list = states({ postgres, app: 'unhealthy' })
      absences.judge(list, 0)
      expect(absences.judge(list, 600_000).hung).toEqual([])
    }
  })

  it('gives up on a server that hangs again after three restarts', () => {
    const absences = new Absences()
    const hung = states({ app: 'unhealthy' })
    for (const start of [0, 100_000, 200_000]) {
      absences.judge(hung, start)
      expect(absences.judge(hung, start + 30_000).hung).toEqual(['app'])
      absences.judge(states({}), start + 32_000)
    }
    absences.judge(hung, 300_000)
    expect(absences.judge(hung, 330_000)).toMatchObject({ hung: [], hopeless: ['app'] })
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
      'app-b|running|Up 2 minutes (unhealthy)',
      '',
    ].join('\n')
    expect([...readStates(list, ['postgres', 'app', 'app-b', 'nginx', 'other'])]).toEqual([
      ['postgres', { exitCode: undefined }],
      ['app', { exitCode: 137 }],
      ['app-b', 'unhealthy'],
      ['nginx', 'running'],
      ['other', { exitCode: undefined }],
    ])
  })
})
