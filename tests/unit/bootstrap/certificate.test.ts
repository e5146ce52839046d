import type { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { expiry, isCurrent } from '../../../scripts/lib/certificate.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-03-01T00:00:00Z')

/** Only the two dates matter here; the drill checks real certificates. */
function certificate(o: { lifetime: number; left: number }): X509Certificate {
  const to = NOW + o.left * DAY
  const dates = {
    validFrom: new Date(to - o.lifetime * DAY).toUTCString(),
    validTo: new Date(to).toUTCString(),
  }
  return dates as unknown as X509Certificate
}

describe('expiry', () => {
  it.each([
    [90, 28],
    [64, 19],
    [45, 13],
    [6, 1],
  ])('calls a %i-day certificate with %i days left healthy', (lifetime, left) => {
    expect(expiry(certificate({ lifetime, left }), NOW)).toBeUndefined()
  })

  it.each([
    [90, 26, /only 26\.0 days are left/],
    [64, 18, /only 18\.0/],
    [45, 11, /only 11\.0/],
    [90, -1, /it expired/],
  ])('calls a %i-day certificate with %i days left due', (lifetime, left, message) => {
    expect(expiry(certificate({ lifetime, left }), NOW)).toMatch(message)
  })
})

describe('isCurrent', () => {
  it.each([
    [90, 1, true],
    [90, 0.01, true],
    [90, -0.01, false],
    [90, 91, false],
  ])('a %i-day certificate with %d days left: %s', (lifetime, left, current) => {
    expect(isCurrent(certificate({ lifetime, left }), NOW)).toBe(current)
  })
})
