import { describe, expect, it } from 'vitest'
import { holdsMediaId, withMediaId } from '../../../server/media/payload.ts'

const header = (parameter: object) => ({
  type: 'template',
  template: {
    name: 'offer',
    components: [
      { type: 'body', parameters: [{ type: 'text', text: 'x' }] },
      { type: 'header', parameters: [parameter] },
    ],
  },
})
const buttons = (media: object) => ({
  type: 'interactive',
  interactive: { type: 'button', header: { type: 'image', image: media }, body: { text: 'x' } },
})

describe('withMediaId', () => {
  it.each([
    [
      { type: 'image', image: { caption: 'x' } },
      { type: 'image', image: { caption: 'x', id: '7' } },
    ],
    [
      header({ type: 'document', document: { filename: 'a' } }),
      header({ type: 'document', document: { filename: 'a', id: '7' } }),
    ],
    [buttons({}), buttons({ id: '7' })],
  ])('puts the id where Graph looks for it', (payload, expected) => {
    const before = structuredClone(payload)
    expect(holdsMediaId(payload)).toBe(false)
    const filled = withMediaId(payload, '7')
    expect(filled).toEqual(expected)
    expect(holdsMediaId(filled)).toBe(true)
    expect(payload).toEqual(before)
  })

  it.each([
    {},
    { type: 'text' },
    { type: 'template', template: { components: 'none' } },
    { type: 'template', template: { components: [null, { type: 'header', parameters: [] }] } },
    { type: 'interactive', interactive: { header: null } },
    { type: 'interactive', interactive: { header: { type: 'text', text: 'x' } } },
  ])('refuses a message without a place for a file: %j', (payload) => {
    expect(holdsMediaId(payload)).toBe(false)
    expect(() => withMediaId(payload, '7')).toThrow('no place')
  })
})
