import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'

/** What no container of ours may have, and what each that stays must have; see also ../deployment.test.ts. */

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

const service = z.looseObject({
  image: z.string(),
  user: z.string().optional(),
  restart: z.string(),
  tmpfs: z.array(z.string()).default([]),
  // Names alone, or with settings of each.
  networks: z.preprocess(
    (value) => (Array.isArray(value) ? value : Object.keys(Object(value))),
    z.array(z.string()),
  ),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
})
const { services, networks } = z
  .object({
    services: z.record(z.string(), service),
    networks: z.record(z.string(), z.looseObject({ internal: z.boolean().optional() })),
  })
  .parse(parse(read('docker-compose.prod.yml'), { merge: true }))
const named = Object.entries(services)
const staying = named.filter(([, { restart }]) => restart !== 'no')

/** Each opens a way past what confines a container. */
const FORBIDDEN = [
  ...[
    'privileged',
    'cap_add',
    'devices',
    'device_cgroup_rules',
    'network_mode',
    'pid',
    'ipc',
    'uts',
    'userns_mode',
  ],
  ...[
    'cgroup',
    'cgroup_parent',
    'sysctls',
    'extra_hosts',
    'external_links',
    'links',
    'group_add',
    'volumes_from',
  ],
  ...[
    'runtime',
    'build',
    'env_file',
    'configs',
    'secrets',
    'credential_spec',
    'oom_kill_disable',
    'logging',
    'expose',
  ],
]

describe.each(named)('%s', (_, s) => {
  it('has nothing that opens a way out', () => {
    expect(FORBIDDEN.filter((key) => key in s)).toEqual([])
  })

  it('is not root', () => {
    // Of our own image the last line of its Dockerfile says it.
    if (s.image.startsWith('${WA_IMAGE_APP:')) expect(read('Dockerfile')).toMatch(/^USER 65532:65532$/m)
    else expect(s.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('names a version and its digest, never just the newest', () => {
    expect(s.image).not.toMatch(/latest/)
    const standard = /:-(.+)\}$/.exec(s.image)?.[1]
    if (standard !== undefined)
      expect(standard).toMatch(/^[a-z0-9.]+\/[\w/-]+:v?\d[\w.-]*@sha256:[0-9a-f]{64}$/)
  })

  it('runs nothing from memory that it can write to', () => {
    for (const mount of s.tmpfs) {
      // Postgres has a socket there, and no program.
      if (mount.startsWith('/run/postgresql:')) continue
      expect(mount).toMatch(/(:|,)noexec,nosuid,nodev$/)
      expect(mount).toMatch(/size=\d+m/)
    }
  })

  it('is on networks without a way out, unless it must talk to the world', () => {
    const open = s.networks.filter((name) => networks[name]?.internal !== true)
    expect(open.every((name) => name === 'edge')).toBe(true)
    expect(s.networks.every((name) => name in networks)).toBe(true)
  })
})

it.each(staying)('%s is asked whether it is well, and given time to end', (_, s) => {
  expect(s.healthcheck?.test[0]).toBe('CMD')
  expect(s).toMatchObject({ stop_grace_period: expect.stringMatching(/^\d+s$/), ulimits: expect.anything() })
})

it('only nginx and the app can reach the world', () => {
  const open = named.filter(([, s]) => s.networks.includes('edge')).map(([name]) => name)
  expect(open.filter((name) => name !== 'nginx' && !name.startsWith('app'))).toEqual([])
})

it('logs are kept short by the engine, for every container', () => {
  const settings = read('scripts/lib/docker-settings.ts')
  expect(settings).toMatch(/'log-opts': \{ 'max-size': '50m', 'max-file': '10' \}/)
})
