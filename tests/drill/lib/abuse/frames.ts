/** Frames of HTTP/2 (RFC 9113) as texts whose characters are bytes, also such as no honest client sends. */

const byte = (...values: readonly number[]): string =>
  String.fromCharCode(...values.map((value) => value & 0xff))
const word = (value: number): string => byte(value >>> 24, value >>> 16, value >>> 8, value)

export const DATA = 0
export const HEADERS = 1
export const RST_STREAM = 3
export const SETTINGS = 4
export const PING = 6
export const GOAWAY = 7
export const CONTINUATION = 9
export const END_STREAM = 1
export const END_HEADERS = 4

export function frame(type: number, flags: number, stream: number, payload: string): string {
  const { length } = payload
  return byte(length >>> 16, length >>> 8, length, type, flags) + word(stream) + payload
}

/** A header as a literal without Huffman code or index (RFC 7541, 6.2.2): bytes arrive as they are. */
export function header(name: string, value: string): string {
  return `\x00${integer(name.length)}${name}${integer(value.length)}${value}`
}

/** With a prefix of 7 bits (RFC 7541, 5.1). */
function integer(value: number): string {
  if (value < 127) return byte(value)
  let [text, rest] = ['\x7f', value - 127]
  for (; rest >= 128; rest >>>= 7) text += byte((rest & 127) | 128)
  return text + byte(rest)
}

/** What a client says first. @param settings pairs of id and value */
export function preface(settings: readonly (readonly [number, number])[] = []): string {
  const payload = settings.map(([id, value]) => byte(id >>> 8, id) + word(value)).join('')
  return `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frame(SETTINGS, 0, 0, payload)}`
}

/** What shows that stream 1 is over: its last frame, its reset, or the end of the connection. */
export const OVER: readonly string[] = [
  ...[DATA, HEADERS].flatMap((type) => [1, 5].map((flags) => byte(type, flags, 0, 0, 0, 1))),
  byte(RST_STREAM, 0, 0, 0, 0, 1),
  byte(GOAWAY, 0, 0, 0, 0, 0),
]

/** The status of stream 1, or how it ended without one: `reset`, `goaway`, or '' when nothing was said about it. */
export function verdict(answer: string): string {
  const at = (index: number): number => answer.charCodeAt(index)
  let ended = ''
  for (let from = 0; from + 9 <= answer.length; ) {
    const length = (at(from) << 16) | (at(from + 1) << 8) | at(from + 2)
    const [type, stream] = [at(from + 3), at(from + 8)]
    if (type === HEADERS && stream === 1) return status(answer.slice(from + 9, from + 9 + length))
    if (type === RST_STREAM && stream === 1) ended ||= 'reset'
    if (type === GOAWAY) ended ||= 'goaway'
    from += 9 + length
  }
  return ended
}

/** The first header of an answer: an entry of the static table (RFC 7541, appendix A), or its name and three digits. */
function status(block: string): string {
  const known = ['200', '204', '206', '304', '400', '404', '500'][block.charCodeAt(0) - 0x88]
  return known ?? block.slice(2, 5)
}
