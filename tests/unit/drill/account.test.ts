import { describe, expect, it } from 'vitest'
import { compareDeliveries, compareSends } from '../../drill/chaos/account.ts'

describe('compareDeliveries', () => {
  const fine = [1, 1, 1]

  it('finds nothing where each is stored, processed and a message once', () => {
    const events = new Map(Object.entries({ 1: fine, 2: fine }))
    expect(compareDeliveries(['1', '2'], events)).toEqual({ lost: [], doubled: [] })
  })

  it.each([
    ['never stored', {}],
    ['stored and not processed', { 2: [1, 0, 0] }],
    ['processed without a message', { 2: [1, 1, 0] }],
  ])('finds one that was acknowledged and %s', (_, events) => {
    expect(compareDeliveries(['1', '2'], new Map(Object.entries({ 1: fine, ...events }))).lost).toEqual(['2'])
  })

  it('finds what is there twice, whatever it is', () => {
    const events = new Map(Object.entries({ 1: [2, 1, 1], 2: [1, 1, 2], 3: fine }))
    expect(compareDeliveries(['1', '2', '3'], events)).toEqual({ lost: [], doubled: ['1', '2'] })
  })
})

describe('compareSends', () => {
  const row = (state: string, count = 1) => ({ state, count })
  const compare = (ledger: object, arrived: Record<string, number>) =>
    compareSends(Object.keys(ledger), new Map(Object.entries(ledger)), new Map(Object.entries(arrived)))

  it('takes a doubtful one that did not arrive for what it says, and lists it', () => {
    const ledger = { 1: row('read'), 2: row('unknown'), 3: row('unknown') }
    expect(compare(ledger, { 1: 1, 3: 1 })).toEqual({ lost: [], doubled: [], unknown: ['2', '3'] })
  })

  it('finds one that is said to be sent and did not arrive', () => {
    expect(compare({ 1: row('accepted') }, {}).lost).toEqual(['1'])
  })

  it('finds a result that has no row, or two', () => {
    const arrived = new Map([['1', 1]])
    expect(compareSends(['1'], new Map(), arrived)).toMatchObject({ lost: ['1'], doubled: ['1'] })
    expect(compareSends(['1'], new Map([['1', row('read', 2)]]), arrived).lost).toEqual(['1'])
  })

  it('finds one that arrived twice', () => {
    expect(compare({ 1: row('read') }, { 1: 2 }).doubled).toEqual(['1'])
  })
})
