import { describe, expect, it } from 'vitest'
import { parseOptions, UsageError } from '../../../bootstrap/lib/options.ts'

describe('parseOptions', () => {
  it('reads what it is given', () => {
    expect(parseOptions(['--plan', '--only', '20', '--json'])).toMatchObject({
      plan: true,
      only: '20',
      json: true,
    })
  })

  it('starts what it establishes, unless told not to', () => {
    expect(parseOptions([])).toMatchObject({ start: true, recovering: false })
    expect(parseOptions(['--recovering', '--no-start'])).toMatchObject({ start: false, recovering: true })
  })

  it.each([
    [['--local', '--recovering'], /--local takes no --recovering/],
    [['--frm', '30'], /Unknown option '--frm'/],
    [['--local', '--plan'], /--local takes no --plan/],
    [['--once'], /--once belongs to --local/],
    [['--from', '30', '--only', '20'], /not both/],
    [['--age-key-file', 'a', '--age-key-fd', '3'], /not both/],
    [['--age-key-fd', 'three'], /takes a number/],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError)
    expect(() => parseOptions(args)).toThrow(message)
  })
})
