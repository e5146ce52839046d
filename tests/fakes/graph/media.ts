import { createHash } from 'node:crypto'
import { refuseUnless } from './failure.ts'

/** A file Meta holds. */
export interface FakeMedia {
  readonly id: string
  /** Meta's id of the number it came to, or was uploaded by. */
  readonly numberId: string
  readonly bytes: Uint8Array
  readonly mimeType: string
  /** Hex; of the bytes unless a test wants a wrong one. */
  readonly sha256: string
}

const MB = 1024 * 1024
const DOCUMENTS =
  /^(text\/plain|application\/(pdf|msword|vnd\.ms-(excel|powerpoint)|vnd\.openxmlformats-officedocument\..+))$/

/** https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types */
const LIMITS: readonly { readonly types: RegExp; readonly bytes: number }[] = [
  { types: /^image\/(jpeg|png)$/, bytes: 5 * MB },
  { types: /^video\/(mp4|3gpp)$/, bytes: 16 * MB },
  { types: /^audio\/(aac|amr|mpeg|mp4|ogg)$/, bytes: 16 * MB },
  { types: DOCUMENTS, bytes: 100 * MB },
  { types: /^image\/webp$/, bytes: 500 * 1024 },
]

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Takes a multipart upload apart and refuses types and sizes Meta would. */
export async function parseUpload(
  body: Buffer,
  contentType: string,
  id: string,
  numberId: string,
): Promise<FakeMedia> {
  refuseUnless(contentType.startsWith('multipart/form-data'), 100, 'an upload is multipart/form-data')
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': contentType },
  }).formData()
  refuseUnless(form.get('messaging_product') === 'whatsapp', 100, 'messaging_product must be whatsapp')
  const file = form.get('file')
  refuseUnless(file instanceof File, 131008, 'file is missing')
  const mimeType = file.type.split(';')[0]?.trim() ?? ''
  const limit = LIMITS.find(({ types }) => types.test(mimeType))
  refuseUnless(limit, 131053, `${mimeType || 'no type'} is not supported`)
  refuseUnless(file.size <= limit.bytes, 131053, `${mimeType} may have ${limit.bytes} bytes`)
  const bytes = new Uint8Array(await file.arrayBuffer())
  return { id, numberId, bytes, mimeType, sha256: sha256(bytes) }
}
