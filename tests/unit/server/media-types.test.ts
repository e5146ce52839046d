import { describe, expect, it } from 'vitest'
import { acceptedType } from '../../../server/media/acceptance.ts'
import type { MediaKind } from '../../../server/media/media.ts'
import { identify } from '../../../server/media/sniff.ts'
import { JPEG, MP4, ogg, PDF, PNG, webp } from './media-samples.ts'

const TEXT = Buffer.from('Grüße, plain text.\n')
const NOISE = Buffer.from([1, 2, 3, 0, 255, 254, 7, 8])
const CFB = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(600)])
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

describe('identify', () => {
  it.each<[string, Buffer, string | undefined, MediaKind, string, boolean]>([
    ['a PNG as PNG', PNG, 'image/png', 'image', 'image/png', false],
    ['a PNG without a claim', PNG, undefined, 'image', 'image/png', false],
    ['a PNG as JPEG', PNG, 'image/jpeg', 'image', 'image/png', true],
    ['a PDF as image', PDF, 'image/jpeg', 'image', 'application/pdf', true],
    ['parameters do not matter', JPEG, 'image/JPEG; q=1', 'image', 'image/jpeg', false],
    ['voice notes', ogg(1), 'audio/ogg; codecs=opus', 'audio', 'audio/ogg', false],
    ['MP4 sound', MP4, 'audio/mp4', 'audio', 'audio/mp4', false],
    ['MP4 sound without a claim', MP4, undefined, 'audio', 'audio/mp4', false],
    ['MP4 film', MP4, 'video/mp4', 'video', 'video/mp4', false],
    ['old Office files by their claim', CFB, 'application/msword', 'document', 'application/msword', false],
    ['text', TEXT, 'text/csv', 'document', 'text/csv', false],
    ['text without a claim', TEXT, undefined, 'document', 'text/plain', false],
    ['text as image', TEXT, 'image/svg+xml', 'image', 'text/plain', true],
    ['noise as a type we cannot know', NOISE, 'application/x-own', 'document', 'application/x-own', false],
    ['noise as text', NOISE, 'text/plain', 'document', 'application/octet-stream', true],
    ['noise as Office', NOISE, DOCX, 'document', 'application/octet-stream', true],
    [
      'noise as nothing in particular',
      NOISE,
      'application/octet-stream',
      'document',
      'application/octet-stream',
      false,
    ],
    ['a claim that is no type', PNG, 'png\r\nx: y', 'image', 'image/png', false],
    ['nothing', Buffer.alloc(0), undefined, 'document', 'application/octet-stream', false],
  ])('%s', async (_, head, claim, kind, mimeType, mismatch) => {
    expect(await identify(head, claim, kind)).toEqual({ mimeType, mismatch })
  })
})

const received = (head: Buffer) => ({ path: '', sizeBytes: head.length, sha256: Buffer.alloc(32), head })

describe('acceptedType', () => {
  it.each<[string, Buffer, MediaKind, (string | undefined)[], string]>([
    ['a PNG the server called text', PNG, 'image', ['text/html'], 'image/png'],
    [
      'an old Office file by its name',
      CFB,
      'document',
      [undefined, 'application/msword'],
      'application/msword',
    ],
    ['CSV as plain text', TEXT, 'document', ['text/csv'], 'text/plain'],
    ['a voice note', ogg(1), 'audio', [], 'audio/ogg'],
    ['a large sticker that moves', webp({ animated: true, size: 300 * 1024 }), 'sticker', [], 'image/webp'],
    ['a small sticker', webp({ animated: false, size: 90 * 1024 }), 'sticker', [], 'image/webp'],
  ])('takes %s', async (_, head, kind, claims, type) => {
    expect(await acceptedType(received(head), claims, kind)).toBe(type)
  })

  it.each<[string, Buffer, MediaKind, string]>([
    ['a PDF as image', PDF, 'image', 'media_type_unsupported'],
    ['a WebP as image', webp({ animated: false, size: 64 }), 'image', 'media_type_unsupported'],
    ['an Office file nobody named', CFB, 'document', 'media_type_unsupported'],
    ['noise', NOISE, 'document', 'media_type_unsupported'],
    ['stereo', ogg(2), 'audio', 'media_type_unsupported'],
    ['nothing', Buffer.alloc(0), 'document', 'media_type_unsupported'],
    [
      'a large sticker that stands still',
      webp({ animated: false, size: 101 * 1024 }),
      'sticker',
      'media_too_large',
    ],
  ])('refuses %s', async (_, head, kind, code) => {
    await expect(acceptedType(received(head), [], kind)).rejects.toMatchObject({ code, category: 'media' })
  })
})
