import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** What the image is made of, and by whom it is run. */

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const lines = read('Dockerfile')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
const of = (instruction: string) =>
  lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1))
const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))

test('stands on bases by digest, the last one without a shell', () => {
  const bases = Object.fromEntries(of('ARG').map((text) => text.split(/=(.*)/) as [string, string]))
  expect(Object.keys(bases)).toEqual(['BUILD_IMAGE', 'RUN_IMAGE'])
  for (const base of Object.values(bases)) expect(base).toMatch(/:[\w.-]+@sha256:[0-9a-f]{64}$/)
  expect(bases.RUN_IMAGE).toMatch(/^gcr\.io\/distroless\/.*:nonroot@/)
  expect(of('FROM').map((from) => from.replaceAll(/[${}]/g, ''))).toEqual([
    'BUILD_IMAGE AS build',
    'RUN_IMAGE',
  ])
})

test('takes packages from the lockfile alone, and lets none run code', () => {
  const runs = of('RUN')
  expect(runs.filter((run) => /\bnpm\b/.test(run))).toEqual([
    expect.stringMatching(/^npm ci --ignore-scripts /),
  ])
  for (const run of runs) expect(run).not.toMatch(/curl|wget|apt|apk|npm (i|install)\b|https?:/)
  expect(of('ADD')).toEqual([])
})

test('runs as nobody in particular, by number, without installing anything more', () => {
  expect(last.filter((line) => line.startsWith('USER '))).toEqual(['USER 65532:65532'])
  expect(last.filter((line) => line.startsWith('RUN '))).toEqual([])
  expect(last.filter((line) => line.startsWith('COPY '))).toEqual([
    'COPY --from=build /build/dist/*.js /app/',
  ])
})

test('holds no secret: none is an argument, and the folder of secrets stays out', () => {
  for (const line of [...of('ARG'), ...of('ENV')])
    expect(line).not.toMatch(/SECRET|TOKEN|PASSWORD|PEPPER|_KEY/)
  const context = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(context[0]).toBe('*')
  expect(context).toContain('secrets/*')
  expect(context.filter((line) => line.startsWith('!secrets/'))).toEqual(['!secrets/*.ts'])
})
