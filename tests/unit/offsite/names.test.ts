import { describe, expect, test } from 'vitest'
import {
  byName,
  mediaName,
  mediaPlace,
  nextAttempt,
  setFileName,
  setOfManifest,
  splitAttempt,
  whole,
} from '../../../scripts/offsite/names.ts'

const PLACE = '4915112345678/2026/11/0b9e0c1e-6a5f-4d5c-9c8e-2f1d3b4a5c6d.jpg'

describe('names on the far side', () => {
  test('the files of a set are flat, the dump sealed', () => {
    expect(setFileName('20261121T074605Z', 'database.dump')).toBe('20261121T074605Z.database.dump.age')
    expect(setFileName('20261121T074605Z', 'host.tar.age')).toBe('20261121T074605Z.host.tar.age')
    expect(setFileName('20261121T074605Z', 'manifest.json')).toBe('20261121T074605Z.manifest.json')
  })

  test('a set is known by its manifest alone', () => {
    expect(setOfManifest('20261121T074605Z.manifest.json')).toBe('20261121T074605Z')
    expect(setOfManifest('20261121T074605Z.database.dump.age')).toBeUndefined()
    expect(setOfManifest('later.manifest.json')).toBeUndefined()
    expect(setOfManifest('.manifest.json')).toBeUndefined()
  })

  test('a media file finds back to its place', () => {
    const name = mediaName(PLACE)
    expect(name).toBe('4915112345678_2026_11_0b9e0c1e-6a5f-4d5c-9c8e-2f1d3b4a5c6d.jpg.age')
    expect(mediaPlace(name ?? '')).toBe(PLACE)
    expect(mediaPlace(`${name}.3`)).toBe(PLACE)
  })

  test.each(['a b.jpg', 'x_y/2026/1.jpg', '', 'a//b', '/a', 'ä.jpg'])(
    '%j is no media file of ours',
    (place) => {
      expect(mediaName(place)).toBeUndefined()
    },
  )

  test.each(['.._.._etc_passwd.age', '_etc_passwd.age', 'a_.._b.age', 'a.jpg', '.age', 'a__b.age'])(
    '%j leads to no place',
    (name) => {
      expect(mediaPlace(name)).toBeUndefined()
    },
  )
})

describe('uploads that broke off', () => {
  const held = byName([
    { name: 'x.jpg.age', bytes: 10 },
    { name: 'x.jpg.age.10', bytes: 99 },
    { name: 'x.jpg.age.2', bytes: 20 },
    { name: 'y.manifest.json', bytes: 7 },
  ])

  test('the number of the attempt is no part of the name', () => {
    expect(splitAttempt('x.jpg.age.2')).toEqual({ name: 'x.jpg.age', attempt: 2 })
    expect(splitAttempt('y.manifest.json.1')).toEqual({ name: 'y.manifest.json', attempt: 1 })
    expect(splitAttempt('x.jpg.age')).toEqual({ name: 'x.jpg.age', attempt: 0 })
    expect(splitAttempt('x.2')).toEqual({ name: 'x.2', attempt: 0 })
  })

  test('the attempt of the right length is the file', () => {
    expect(whole(held, 'x.jpg.age', 20)?.name).toBe('x.jpg.age.2')
    expect(whole(held, 'x.jpg.age', 10)?.name).toBe('x.jpg.age')
    expect(whole(held, 'x.jpg.age', 11)).toBeUndefined()
    expect(whole(held, 'z.age', 10)).toBeUndefined()
  })

  test('the next attempt takes a name that is free', () => {
    expect(nextAttempt(held, 'x.jpg.age')).toBe('x.jpg.age.11')
    expect(nextAttempt(held, 'y.manifest.json')).toBe('y.manifest.json.1')
    expect(nextAttempt(held, 'z.age')).toBe('z.age')
  })
})
