import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callTool } from './call-tool.ts'
import { type Desk, startDesk } from './desk.ts'
import { addGrant, addKey, addNumber } from './fixtures.ts'
import { ask } from './tenants.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

describe('D4.1 what the operator takes away is gone at once', () => {
  const numbers = async (token: string) => {
    const { structuredContent } = await callTool(desk.harness, token, 'list_numbers', {})
    const listed = structuredContent as { numbers?: { phone_number_id: string }[] }
    return (listed.numbers ?? []).map(({ phone_number_id }) => phone_number_id)
  }

  test('a revoked grant', async () => {
    const setup = await desk.setUp()
    const args = { phone_number_id: setup.number.waId }
    const unknown = await ask(desk, setup.token, 'get_messages', { phone_number_id: '299999999999999' })
    expect(await ask(desk, setup.token, 'get_messages', args)).not.toBe(unknown)
    await desk.harness.db
      .sql`update client_phone_grants set revoked_at = now() where client_id = ${setup.client.id}`
    await expect.poll(() => ask(desk, setup.token, 'get_messages', args)).toBe(unknown)
    expect((await setup.say('x')).error.code).toBe('no_number')
  })

  test('a disabled number', async () => {
    const setup = await desk.setUp()
    expect(await numbers(setup.token)).toEqual([setup.number.waId])
    await desk.harness.db.sql`update phone_numbers set disabled_at = now() where id = ${setup.number.id}`
    await expect.poll(() => numbers(setup.token)).toEqual([])
    expect((await setup.say('x')).error.code).toBe('no_number')
  })

  test('a key for some numbers and tools does not reach the others', async () => {
    const { sql } = desk.harness.db
    const setup = await desk.setUp()
    const second = await addNumber(sql, setup.client)
    await addGrant(sql, setup.client, second)
    const scopes = ['tools:list_numbers', 'tools:get_messages', `numbers:${second.waId}`]
    const { token } = await addKey(sql, setup.client, desk.harness.config.pepper, { scopes })
    await expect.poll(() => numbers(token)).toEqual([second.waId])
    expect(await ask(desk, token, 'get_messages', { phone_number_id: setup.number.waId })).toBe(
      await ask(desk, token, 'get_messages', { phone_number_id: '299999999999999' }),
    )
    expect(await ask(desk, token, 'search_messages', { query: 'x' })).toContain('scope_denied')
    expect(await ask(desk, token, 'ping', {})).toContain('"ok":true')
  })

  test('a grant without the verb or the tool', async () => {
    const reader = await desk.setUp({ grant: { verbs: ['read'], tools: ['get_messages'] } })
    expect((await reader.say('x')).error.code).toBe('grant_denied')
    expect(await ask(desk, reader.token, 'find_contact', { query: 'x' })).toContain('grant_denied')
    expect(await ask(desk, reader.token, 'get_messages', {})).toContain('"messages"')
  })
})
