import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { attachment, safeFilename } from '../../../server/media/filename.ts'
import { typeOfName } from '../../../server/media/kinds.ts'
import { parseRange } from '../../../server/media/range.ts'

describe('safeFilename', () => {
  it.each([
    ['report.pdf', 'application/pdf', 'report.pdf'],
    ['Report.PDF', 'application/pdf', 'Report.pdf'],
    ['photo.jpeg', 'image/jpeg', 'photo.jpeg'],
    ['invoice.exe', 'application/pdf', 'invoice.exe.pdf'],
    ['../../etc/passwd', 'text/plain', 'etc_passwd.txt'],
    ['..\\..\\boot.ini', 'text/plain', 'boot.ini.txt'],
    ['.htaccess', 'text/plain', 'htaccess.txt'],
    ['gpj.\u202Eexe', 'image/png', 'gpj._exe.png'],
    ['a\r\nSet-Cookie: x', 'image/png', 'a__Set-Cookie_ x.png'],
    ['été 日本 😀.png', 'image/png', 'été 日本 😀.png'],
    ['\ud800half.png', 'image/png', 'half.png'],
    ['', 'image/png', 'id.png'],
    ['/', 'image/png', 'id.png'],
    ['.pdf', 'application/pdf', 'pdf.pdf'],
    [null, 'application/x-unheard-of', 'id.bin'],
  ])('%j as %s is %j', (given, type, expected) => {
    expect(safeFilename(given, type, 'id')).toBe(expected)
  })

  it('D6.7 is never a path and never breaks a header, whatever is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
        const name = safeFilename(given, 'image/png', 'id')
        expect(name).not.toMatch(/[/\\\0]|^\./)
        expect([...name].length).toBeLessThanOrEqual(126)
        expect(attachment(name)).toMatch(
          /^attachment; filename="[A-Za-z0-9 ._-]+"; filename\*=UTF-8''[\x21-\x7e]+$/,
        )
        expect(attachment(name).slice(12)).not.toMatch(/[\r\n]/)
      }),
    )
  })
})

describe('attachment', () => {
  it('encodes what RFC 8187 does not let through', () => {
    expect(attachment("it's (1)*.png")).toBe(
      `attachment; filename="it_s _1__.png"; filename*=UTF-8''it%27s%20%281%29%2A.png`,
    )
  })
})

describe('typeOfName', () => {
  it.each([
    ['a.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    ['a.PDF', 'application/pdf'],
    ['a.b.mp3', 'audio/mpeg'],
    ['a', undefined],
    ['a.unknown', undefined],
    [undefined, undefined],
  ])('%s promises %s', (name, type) => {
    expect(typeOfName(name)).toBe(type)
  })
})

describe('parseRange', () => {
  it.each([
    [undefined, 'whole'],
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-', { start: 90, end: 99 }],
    ['bytes=90-1000', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=99-99', { start: 99, end: 99 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-3', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=0-1,3-4', 'whole'],
    ['bytes=a-b', 'whole'],
    ['items=0-1', 'whole'],
    ['bytes=0-99999999999999999999', 'whole'],
  ])('%s of 100 bytes is %j', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected)
  })

  it('of an empty file there is no part', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable')
    expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable')
    expect(parseRange(undefined, 0)).toBe('whole')
  })

  it('never leaves the file', () => {
    const bound = fc.oneof(fc.constant(''), fc.nat(300).map(String))
    fc.assert(
      fc.property(bound, bound, fc.nat(200), (first, last, size) => {
        const range = parseRange(`bytes=${first}-${last}`, size)
        if (typeof range === 'string') return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.end).toBeGreaterThanOrEqual(range.start)
        expect(range.end).toBeLessThan(size)
      }),
    )
  })
})
