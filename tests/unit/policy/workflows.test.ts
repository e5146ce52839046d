import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'

/** What builds and signs releases may be steered by nobody but who can write to this repository. */

const root = join(import.meta.dirname, '../../..')
const directory = join(root, '.github/workflows')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

const permissions = z.record(z.string(), z.literal(['read', 'write', 'none']))
const step = z.looseObject({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
})
const job = z.looseObject({
  'runs-on': z.string(),
  'timeout-minutes': z.number(),
  permissions: permissions.optional(),
  strategy: z
    .looseObject({ matrix: z.looseObject({ include: z.array(z.record(z.string(), z.string())) }) })
    .optional(),
  steps: z.array(step),
})
const workflow = z.looseObject({
  on: z.record(z.string(), z.unknown()),
  permissions,
  jobs: z.record(z.string(), job),
})

/** Beyond reading the code: what each job may write, and nothing else does. */
const MAY_WRITE: Readonly<Record<string, readonly string[]>> = {
  'image.yml build': ['packages'],
  'image.yml publish': ['packages', 'id-token'],
  'image.yml release': ['contents', 'id-token'],
}

describe.each(readdirSync(directory))('%s', (name) => {
  const text = readFileSync(join(directory, name), 'utf8')
  const { on, jobs, ...file } = workflow.parse(parse(text))
  const steps = Object.values(jobs).flatMap((one) => one.steps)

  it('takes actions by commit, and says which version that is', () => {
    const used = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map((match) => match[1])
    expect(used).toHaveLength(steps.filter(({ uses }) => uses !== undefined).length)
    for (const action of used) expect(action).toMatch(/^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    for (const { uses, with: given } of steps)
      if (uses?.startsWith('actions/checkout@')) expect(given).toMatchObject({ 'persist-credentials': false })
  })

  it('may read the code, and no more unless a job says so', () => {
    expect(file.permissions).toEqual({ contents: 'read' })
    for (const [key, one] of Object.entries(jobs)) {
      const writes = Object.entries(one.permissions ?? {}).filter(([, right]) => right === 'write')
      expect(
        writes.map(([what]) => what),
        key,
      ).toEqual(MAY_WRITE[`${name} ${key}`] ?? [])
    }
  })

  it('is not started by strangers with rights of ours, and pastes nothing of theirs into a shell', () => {
    expect(Object.keys(on).filter((event) => !['push', 'pull_request'].includes(event))).toEqual([])
    for (const { run = '' } of steps) expect(run).not.toContain('${{')
    for (const { env = {} } of steps)
      for (const value of Object.values(env)) expect(value).not.toMatch(/github\.(event|head_ref)|secrets\./)
  })

  it('installs what the lockfile says, and tools by version', () => {
    for (const { run = '' } of steps) {
      expect(run).not.toMatch(/npm (i|install|add|update)\b|npx |curl|wget|@latest|@master|@main/)
      for (const match of run.matchAll(/go install (\S+)/g))
        expect(match[1]).toMatch(/@v\d+\.\d+\.\d+$|^"\$COSIGN"$/)
    }
    if (text.includes('COSIGN:')) expect(text).toMatch(/^ {2}COSIGN: \S+@v\d+\.\d+\.\d+$/m)
  })

  it('runs on machines of a named version, and ends', () => {
    for (const one of Object.values(jobs)) {
      const machines = one.strategy?.matrix.include.map(({ runner }) => runner) ?? [one['runs-on']]
      for (const machine of machines) expect(machine).toMatch(/^ubuntu-\d\d\.04(-arm)?$/)
      expect(one['timeout-minutes']).toBeLessThanOrEqual(90)
    }
  })
})

test('a released image is signed by digest and says what it is made of; so are the lists of packages', () => {
  const text = read('.github/workflows/image.yml')
  expect(text).toMatch(/--provenance=mode=max --sbom=true/)
  expect(text).toMatch(/cosign" sign --yes "\$image@\$digest"/)
  expect(text).toMatch(/cosign" sign-blob --yes --new-bundle-format --bundle/)
  const { jobs } = workflow.parse(parse(text))
  expect(jobs.release).toMatchObject({ needs: 'publish', if: "startsWith(github.ref, 'refs/tags/v')" })
})

test('packages are checked by their signatures, before anything that is released', () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read('package.json')))
  expect(scripts.signatures).toBe('npm audit signatures')
  expect(read('.github/workflows/test.yml')).toContain('- run: npm run signatures')
})

test('every package that a host or a workflow can install has a checksum', () => {
  const names = z.union([z.string(), z.array(z.string())]).optional()
  const entry = z.looseObject({ integrity: z.string().optional(), os: names, libc: names })
  const lock = z
    .object({ packages: z.record(z.string(), entry) })
    .parse(JSON.parse(read('package-lock.json')))
  const ours = Object.entries(lock.packages).filter(
    ([path, { os, libc }]) =>
      path !== '' && (os?.includes('linux') ?? true) && (libc?.includes('glibc') ?? true),
  )
  expect(ours.length).toBeGreaterThan(500)
  for (const [path, { integrity }] of ours) expect(integrity, path).toMatch(/^sha512-/)
})

test('updates are proposed for everything that is pinned, after some days of rest', () => {
  const entry = z.looseObject({
    'package-ecosystem': z.string(),
    cooldown: z.object({ 'default-days': z.number().min(3) }),
  })
  const { updates } = z.object({ updates: z.array(entry) }).parse(parse(read('.github/dependabot.yml')))
  expect(updates.map((update) => update['package-ecosystem'])).toEqual([
    'npm',
    'github-actions',
    'docker',
    'docker-compose',
  ])
})
