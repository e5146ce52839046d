import { describe, expect, test } from 'vitest'
import {
  InvalidAccessTokenError,
  InvalidRecipientError,
  missingToken,
  noAnswer,
  OutOfSessionWindowError,
  refusal,
  TemplateError,
} from '../../../server/meta/errors.ts'
import { explainMetaError } from '../../../server/meta/explain.ts'
import { MetaError } from '../../../server/meta/graph.ts'

test.each([
  [130429, 400, 'retry', 5],
  [131056, 400, 'retry', null],
  [80007, 400, 'retry', 120],
  [4, 400, 'retry', 120],
  [131000, 500, 'retry', null],
  [131049, 400, 'wait', 86_400],
  [131047, 400, 'fix', null],
  [100, 400, 'fix', null],
  [131026, 400, 'never', null],
  [131050, 400, 'never', null],
  [190, 401, 'operator', null],
  [131031, 403, 'operator', null],
  // Families and strangers.
  [250, 403, 'operator', null],
  [133006, 400, 'operator', null],
  [132099, 400, 'fix', null],
  [999_999, 500, 'fix', null],
])('code %i (HTTP %i) means %s', (code, status, retryClass, retryAfterS) => {
  expect(refusal({ code }, status)).toMatchObject({ code, httpStatus: status, retryClass, retryAfterS })
})

test('the code decides, not the HTTP status', () => {
  expect(refusal({ code: 131026 }, 500).retryClass).toBe('never')
  expect(refusal({ code: 130429 }, 400).retryClass).toBe('retry')
})

test('an unknown code that Meta calls transient is tried again', () => {
  expect(refusal({ code: 999_999, is_transient: true }, 500).retryClass).toBe('retry')
})

test.each([
  [131047, OutOfSessionWindowError, 'OutOfSessionWindowError'],
  [131026, InvalidRecipientError, 'InvalidRecipientError'],
  [132012, TemplateError, 'TemplateError'],
  [190, InvalidAccessTokenError, 'InvalidAccessTokenError'],
  [131000, MetaError, 'MetaError'],
] as const)('code %i is its own class', (code, kind, name) => {
  const error = refusal({ code }, 400)
  expect(error).toBeInstanceOf(kind)
  expect(error).toBeInstanceOf(MetaError)
  expect(error.name).toBe(name)
})

test('what Meta says stays out of the message and in the details', () => {
  const error = refusal(
    {
      code: 100,
      error_subcode: 7,
      fbtrace_id: 'Abc',
      error_data: { details: 'to +15550002222 is not valid' },
    },
    400,
  )
  expect(error.message).toBe('Meta refused the call with code 100')
  expect(error).toMatchObject({ subcode: 7, fbtraceId: 'Abc', details: 'to +15550002222 is not valid' })
})

test('a missing token is an account problem that names the reference', () => {
  expect(missingToken('secrets://wa_access_token_7')).toMatchObject({
    code: 190,
    retryClass: 'operator',
    message: 'the access token secrets://wa_access_token_7 is not on this host',
  })
})

test('no answer carries no code of Meta', () => {
  expect(noAnswer('cut', 'ambiguous', 502)).toMatchObject({
    code: -1,
    retryClass: 'ambiguous',
    httpStatus: 502,
  })
})

describe('an explanation', () => {
  test.each([
    [131047, 'window', /24 hours/, /send_template/],
    [131026, 'recipient', /not on WhatsApp/, /another way/],
    [132001, 'template', /no approved template/, /list_templates/],
    [190, 'account', /access token/, /operator/],
    [130429, 'temporary', /faster/, /by itself/],
    [null, 'temporary', /could not be reached/, /by itself/],
    [210, 'account', /permission/, /operator/],
    [777, 'invalid_input', /777/, /operator/],
  ])('of %s says what happened and what to do', (code, category, reason, remedy) => {
    expect(explainMetaError(code)).toEqual({
      category,
      reason: expect.stringMatching(reason),
      remedy: expect.stringMatching(remedy),
    })
  })
})
