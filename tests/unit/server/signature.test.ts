import { expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { verifySignature } from '../../../server/webhook/signature.ts'

const secret = new Secret('test-app-secret')
const other = new Secret('some-other-secret')

// Computed independently of this code. The second and the third body parse to the same JSON.
const VECTORS = [
  [
    '{"object":"whatsapp_business_account","entry":[]}',
    'c84a394cc475525991e78ff16e430b02e47f953877d2af0ade26956ce6f384dc',
  ],
  [
    '{"m":"caf\\u00e9 \\ud83d\\udc4d a\\/b"}',
    '045af8043fe5b481588b69253fb008b7b6b82e03dd189b167767af3eb1afc9ed',
  ],
  ['{"m":"café 👍 a/b"}', 'ed5aa873301292650a49ac8641b58874e0aaed70ec06cdd7140e012ae547890d'],
] as const

test.each(VECTORS)('%s verifies with its own signature only', (body, hex) => {
  for (const [, any] of VECTORS) {
    expect(verifySignature(Buffer.from(body), `sha256=${any}`, [secret])).toBe(any === hex)
  }
})

test('any of the secrets will do, none will not', () => {
  const [body, hex] = VECTORS[0]
  expect(verifySignature(Buffer.from(body), `sha256=${hex}`, [other, secret])).toBe(true)
  expect(verifySignature(Buffer.from(body), `sha256=${hex}`, [other])).toBe(false)
  expect(verifySignature(Buffer.from(body), `sha256=${hex}`, [])).toBe(false)
})

test.each([
  undefined,
  '',
  'sha256=',
  'sha1=00',
  `sha256=${'g'.repeat(64)}`,
  `sha256=${'0'.repeat(63)}`,
  ` sha256=${VECTORS[0][1]}`,
])('the header %j is false and no exception', (header) => {
  expect(verifySignature(Buffer.from(VECTORS[0][0]), header, [secret])).toBe(false)
})
