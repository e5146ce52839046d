import { expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { hashToken, isToken, newToken, prefixOf } from '../../../server/auth/token.ts'

test('a key is its fixed start and 28 random base-32 characters, found by the first 12 of them', () => {
  const tokens = Array.from({ length: 500 }, newToken)
  expect(new Set(tokens.map(prefixOf)).size).toBe(500)
  for (const token of tokens) {
    expect(token).toMatch(/^wamcp_live_[a-z2-7]{28}$/)
    expect(isToken(token)).toBe(true)
    expect(token).toContain(`wamcp_live_${prefixOf(token)}`)
    expect(prefixOf(token)).toHaveLength(12)
  }
  expect(new Set(tokens.join('').replaceAll('wamcp_live_', ''))).toHaveProperty('size', 32)
})

test('the hash depends on the whole token and on the pepper', () => {
  const pepper = new Secret('one pepper')
  // printf %s wamcp_live_aaaa | openssl dgst -sha256 -hmac 'one pepper'
  const hex = 'f93261018e1af65a27a42f3ebd0ca76f46fe2cbc5f6204bd6ddf0caa3ec5f543'
  expect(hashToken('wamcp_live_aaaa', pepper).toString('hex')).toBe(hex)
  expect(hashToken('wamcp_live_aaab', pepper).toString('hex')).not.toBe(hex)
  expect(hashToken('wamcp_live_aaaa', new Secret('another')).toString('hex')).not.toBe(hex)
})
