/** Small files that are what they say. */

export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
export const JPEG = Buffer.concat([
  Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
  Buffer.alloc(64),
  Buffer.from('ffd9', 'hex'),
])
export const PDF = Buffer.from('%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n')
export const MP4 = Buffer.concat([
  Buffer.from([0, 0, 0, 24]),
  Buffer.from('ftypisom\0\0\x02\0isomiso2', 'latin1'),
  Buffer.alloc(64),
])

/** An Ogg page with the identification header of Opus. */
export function ogg(channels: number): Buffer {
  const head = Buffer.alloc(28)
  head.write('OggS', 0, 'latin1')
  head[26] = 1
  head[27] = 19
  const opus = Buffer.alloc(19)
  opus.write('OpusHead', 0, 'latin1')
  opus[8] = 1
  opus[9] = channels
  return Buffer.concat([head, opus, Buffer.alloc(64)])
}

/** A WebP of `size` bytes, as far as its header goes. */
export function webp({ animated, size }: { animated: boolean; size: number }): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.write('RIFF', 0, 'latin1')
  bytes.writeUInt32LE(size - 8, 4)
  bytes.write('WEBPVP8X', 8, 'latin1')
  bytes[20] = animated ? 0x02 : 0
  return bytes
}
