import { describe, expect, test } from 'vitest'
import type { Grant } from '../../../server/auth/grants.ts'
import type { Identity } from '../../../server/auth/identity.ts'
import { ToolError } from '../../../server/mcp/tool-error.ts'
import { normalisePhone } from '../../../server/outbound/addressee.ts'
import { budgetsOf } from '../../../server/outbound/budget.ts'
import { fingerprint, requireSame } from '../../../server/outbound/idempotency.ts'
import { composeInteractive } from '../../../server/outbound/interactive.ts'
import type { SendRequest } from '../../../server/outbound/outbound.ts'
import { parseRecipient } from '../../../server/tools/recipient.ts'
import { checkMessage } from '../../fakes/graph/messages.ts'

/** Code of the ToolError, or what came instead. */
function codeOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error instanceof ToolError ? error.code : error
  }
}

test.each([
  ['+15550002222', '15550002222'],
  ['+1 (555) 000-2222', '15550002222'],
  ['+49.151.12345678', '4915112345678'],
  ['15550002222', 'invalid_phone'],
  ['+1234567', 'invalid_phone'],
  ['+0123456789', 'invalid_phone'],
  ['+1555000222233344', 'invalid_phone'],
  ['+1555abc2222', 'invalid_phone'],
  ['', 'invalid_phone'],
])('the phone number %j becomes %s', (phone, wanted) => {
  expect(codeOf(() => normalisePhone(phone))).toBe(wanted)
})

test.each([
  ['0199f0a0-1111-7222-8333-444455556666', 'conversation_id'],
  ['US.10000000000000000001', 'bsuid'],
  ['US.ENT.1', 'bsuid'],
  ['+15550002222', 'phone'],
  ['Ana', 'phone'],
])('%s is understood as %s', (to, kind) => {
  expect(parseRecipient(to)).toEqual({ [kind]: to })
})

describe('what a message counts against', () => {
  const identity = { keyId: 'key', dailyMsgLimit: 250 } as Identity
  const grant = { id: 'grant', dailyCap: 5, number: { id: 'number', monthlyBillableCap: 1000 } } as Grant
  const now = new Date('2026-12-31T23:59:30Z')

  test('key, grant and number, until midnight and the end of the month in UTC', () => {
    const day = { from: new Date('2026-12-31T00:00:00Z'), until: new Date('2027-01-01T00:00:00Z') }
    expect(budgetsOf(identity, grant, true, now)).toEqual([
      { kind: 'key_day', scopeId: 'key', limit: 250, ...day },
      { kind: 'grant_day', scopeId: 'grant', limit: 5, ...day },
      {
        kind: 'number_month',
        scopeId: 'number',
        limit: 1000,
        from: new Date('2026-12-01T00:00:00Z'),
        until: day.until,
      },
    ])
  })

  test('a reaction is not billable; the owner on stdio has no key and no grant', () => {
    const owner = { ...grant, id: null, dailyCap: null }
    expect(budgetsOf({ ...identity, keyId: null }, owner, false, now)).toEqual([])
  })
})

describe('the fingerprint of a request', () => {
  const request = {
    identity: { clientId: 'client' },
    grant: { number: { waId: '200000000000002' } },
    to: { phone: '+15550002222' },
    draft: { type: 'text', payload: { body: 'hi' }, body: 'hi', isTemplate: false },
  } as unknown as SendRequest

  test('ignores the order of keys, and sees every other difference', () => {
    const same = {
      ...request,
      draft: { isTemplate: false, body: 'hi', payload: { body: 'hi' }, type: 'text' },
    }
    const other = { ...request, to: { phone: '+15550002223' } }
    expect(fingerprint(same as SendRequest).hash).toEqual(fingerprint(request).hash)
    expect(fingerprint(other).hash).not.toEqual(fingerprint(request).hash)
  })

  test('takes the given key, else one per client, content and minute', () => {
    expect(fingerprint({ ...request, idempotencyKey: 'mine' }).key).toBe('mine')
    const { key } = fingerprint(request)
    expect(key).toMatch(/^auto-[0-9a-f]{64}$/)
    const stranger = { ...request, identity: { clientId: 'other' } } as SendRequest
    expect(fingerprint(stranger).key).not.toBe(key)
  })

  test('a key used for something else is a conflict', () => {
    const print = fingerprint(request)
    expect(codeOf(() => requireSame(print.hash, print))).toBeUndefined()
    expect(codeOf(() => requireSame(Buffer.alloc(32), print))).toBe('idempotency_conflict')
    expect(codeOf(() => requireSame(null, print))).toBe('idempotency_conflict')
  })
})

describe('an interactive message', () => {
  const body = 'Which one?'
  const rows = (count: number) => Array.from({ length: count }, (_, n) => ({ title: `Row ${n}` }))

  test.each([
    ['buttons', { kind: 'buttons', body, buttons: [{ title: 'Yes' }, { id: 'n', title: 'No' }] }],
    [
      'a list',
      {
        kind: 'list',
        body,
        label: 'Choose',
        sections: [
          { title: 'A', rows: rows(2) },
          { title: 'B', rows: [{ id: 'x', title: 'Row 0', description: 'd' }] },
        ],
      },
    ],
    [
      'a link',
      { kind: 'cta_url', body, header: 'H', footer: 'F', label: 'Open', url: 'https://example.org' },
    ],
    ['a request for the location', { kind: 'location_request', body }],
  ] as const)('with %s is one Meta takes', (_, input) => {
    const message = { messaging_product: 'whatsapp', to: '+15550002222', type: 'interactive' }
    const interactive = composeInteractive(input)
    const around = { templates: [], knowsMedia: () => false }
    expect(checkMessage({ ...message, interactive }, around)).toBe('+15550002222')
  })

  test.each([
    ['buttons that are missing', { kind: 'buttons', body }],
    [
      'two buttons of one title',
      { kind: 'buttons', body, buttons: [{ title: 'A' }, { id: 'b', title: 'A' }] },
    ],
    ['two buttons of one id', { kind: 'buttons', body, buttons: [{ title: 'A' }, { id: 'A', title: 'B' }] }],
    ['a long text', { kind: 'buttons', body: 'x'.repeat(1025), buttons: [{ title: 'A' }] }],
    [
      'a field of another kind',
      { kind: 'buttons', body, buttons: [{ title: 'A' }], url: 'https://example.org' },
    ],
    [
      'eleven rows',
      {
        kind: 'list',
        body,
        label: 'L',
        sections: [
          { title: 'A', rows: rows(10) },
          { title: 'B', rows: [{ title: 'z' }] },
        ],
      },
    ],
    [
      'sections without a title',
      { kind: 'list', body, label: 'L', sections: [{ rows: rows(1) }, { rows: [{ title: 'z' }] }] },
    ],
    ['a list nothing opens', { kind: 'list', body, sections: [{ rows: rows(1) }] }],
    ['a header on a location request', { kind: 'location_request', body, header: 'H' }],
  ] as const)('with %s is refused here', (_, input) => {
    expect(codeOf(() => composeInteractive(input))).toBe('interactive_invalid')
  })
})
