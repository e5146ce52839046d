import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { APPS, SERVICES } from '../../scripts/lib/stack.ts'
import { CONSUMERS } from '../../secrets/schema.ts'

/** Rules for the files that get installed, each learnt from a way in which such a file fails silently. */

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

const mount = z.looseObject({ type: z.string(), source: z.string(), target: z.string() })
const service = z.looseObject({
  image: z.string(),
  profiles: z.array(z.string()).optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  cap_add: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  restart: z.string(),
  user: z.string().optional(),
  volumes: z.array(mount),
  ports: z.array(z.string()).optional(),
  // Names alone, or with settings of each.
  networks: z.preprocess(
    (value) => (Array.isArray(value) ? value : Object.keys(Object(value))),
    z.array(z.string()),
  ),
  mem_limit: z.string().optional(),
  pids_limit: z.number().optional(),
})
const compose = z
  .looseObject({ services: z.record(z.string(), service), networks: z.record(z.string(), z.looseObject({})) })
  .parse(parse(read('docker-compose.prod.yml'), { merge: true }))
const services = Object.entries(compose.services)
const isApp = (name: string) => (APPS as readonly string[]).includes(name)
/** What a container may write to on the host. */
const WRITABLE = new Set(['/var/lib/whatsapp-mcp/media', '/var/lib/whatsapp-mcp/audit'])

describe('docker-compose.prod.yml', () => {
  it.each(services)('%s is confined', (_, s) => {
    expect(s).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    expect(s.cap_add).toBeUndefined()
    expect(s.mem_limit).toBeDefined()
    expect(s.pids_limit).toBeDefined()
  })

  it.each(services)('%s is started by systemd, and its missing directories are an error', (_, s) => {
    expect(['no', 'on-failure:5']).toContain(s.restart)
    for (const { type, source, ...rest } of s.volumes) {
      if (type !== 'bind') continue
      expect(source).toMatch(/^\//)
      expect(source).not.toContain('docker.sock')
      expect(rest).toMatchObject({ bind: { create_host_path: false } })
      expect(rest.read_only ?? false, source).toBe(!WRITABLE.has(source))
    }
  })

  it('only the app writes to the host, into directories the bootstrap makes its own', () => {
    const writers = services.filter(([, s]) => s.volumes.some(({ source }) => WRITABLE.has(source)))
    expect(writers.map(([name]) => name)).toEqual(APPS)
    for (const path of WRITABLE) {
      expect(read('bootstrap/00-install.ts')).toContain(
        `{ path: \`\${context.paths.state}/${path.split('/').at(-1)}\`, mode: 0o750, ...CONSUMERS.app }`,
      )
    }
  })

  it.each(services)('%s runs an image by digest, or one the host must name', (_, s) => {
    expect(s.image).toMatch(/^\$\{WA_IMAGE_[A-Z]+(:-[^}]+@sha256:[0-9a-f]{64}|:\?[^}]+)\}$/)
  })

  it('has replicas of the server that are alike, and all that must run is named', () => {
    const [first, ...others] = APPS.map((name) => ({ ...compose.services[name], networks: undefined }))
    expect(others.length).toBeGreaterThan(0)
    for (const other of others) expect(other).toEqual(first)
    const started = services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name)
    expect(started).toEqual([...SERVICES])
    expect(Object.keys(Object(compose.services.nginx?.depends_on))).toEqual([...APPS])
  })

  it.each(services)('%s sees its own secrets only', (name, s) => {
    const secrets = s.volumes.filter(({ source }) => source.startsWith('/run/whatsapp-mcp/secrets'))
    const consumer = isApp(name) ? 'app' : name
    const expected = consumer in CONSUMERS ? [`/run/whatsapp-mcp/secrets/${consumer}`] : []
    expect(secrets.map(({ source }) => source)).toEqual(expected)
  })

  it('publishes 80 and 443 of nginx and nothing else, and keeps the database away from it', () => {
    const published = services.flatMap(([name, s]) => (s.ports ?? []).map((port) => `${name} ${port}`))
    expect(published).toEqual(['nginx 0.0.0.0:80:8080', 'nginx 0.0.0.0:443:8443'])
    const shared = compose.services.nginx?.networks.filter((n) =>
      compose.services.postgres?.networks.includes(n),
    )
    expect(shared).toEqual([])
    expect(compose.networks.data).toMatchObject({ internal: true })
  })

  it('keeps the job service off unless asked for, away from the database, and without a way out', () => {
    const jobs = services.filter(([name]) => name.startsWith('inngest'))
    expect(jobs).toHaveLength(3)
    for (const [, s] of jobs) {
      expect(s.profiles).toEqual(['inngest'])
      for (const network of s.networks) expect(compose.networks[network]).toEqual({ internal: true })
    }
    const users = (network: string) =>
      services.filter(([, s]) => s.networks.includes(network)).map(([name]) => name)
    expect(users('jobs')).toEqual([...APPS, 'inngest'])
    expect(users('jobs-data')).toEqual(['inngest', 'inngest-postgres', 'inngest-valkey'])
  })

  it('hands no secret over in the open', () => {
    for (const [, s] of services) {
      for (const [name, value] of Object.entries((s.environment ?? {}) as Record<string, string>)) {
        if (/KEY|SECRET|TOKEN|PASSWORD/.test(name)) expect(value).toMatch(/^\/run\/secrets\//)
      }
    }
  })
})

describe('nginx.conf', () => {
  const lines = read('nginx/nginx.conf').split('\n')
  /** Names of the blocks each line stands in. */
  const blocks: string[] = []
  const placed = lines.map((line) => {
    const text = line.replace(/#.*/, '').trim()
    const within = [...blocks]
    for (const [i, part] of text.split('{').entries()) {
      if (i < text.split('{').length - 1) blocks.push(part.trim())
    }
    for (const _ of text.matchAll(/\}/g)) blocks.pop()
    return { text, within }
  })

  it('sets headers at server level only: one in a location would drop all others', () => {
    const inLocations = placed.filter(
      ({ text, within }) =>
        /^(proxy_set_header|add_header)\b/.test(text) && within.some((b) => b.startsWith('location')),
    )
    expect(inLocations).toEqual([])
  })

  it('serves no file but ACME challenges, and has no location for media', () => {
    const text = lines.join('\n')
    expect(placed.filter(({ text: t }) => /^(root|alias)\b/.test(t)).map(({ text: t }) => t)).toEqual([
      'root /var/www/acme;',
    ])
    expect(text).not.toMatch(/location[^{]*media/)
  })

  it('leads to every replica by name, and follows each to a new address', () => {
    for (const upstream of ['upstream app', 'upstream app_fresh']) {
      const servers = placed.filter(({ text, within }) => within.at(-1) === upstream && /^server /.test(text))
      expect(servers.map(({ text }) => text)).toEqual(
        APPS.map((name) => `server ${name}:3000 resolve max_fails=1 fail_timeout=1s;`),
      )
    }
  })

  it('offers to a second replica only what may arrive twice: deliveries, and no call of a client', () => {
    const again = placed.filter(({ text }) => text.includes('non_idempotent'))
    expect(again.map(({ within }) => within.at(-1))).toEqual(['location = /webhook/meta'])
    // A kept connection may end just as a call is written to it: whether it arrived would be unknown.
    expect(placed).toContainEqual({ text: 'keepalive_requests 1;', within: ['http', 'upstream app_fresh'] })
    for (const place of ['location = /mcp', 'location @again']) {
      const inIt = placed.filter(({ within }) => within.at(-1) === place)
      expect(inIt.map(({ text }) => text)).toContain('proxy_pass http://app_fresh;')
    }
  })

  it('logs no query string', () => {
    const format = /log_format[\s\S]*?;/.exec(lines.join('\n'))?.[0]
    expect(format).toContain('$logged_uri')
    expect(format).not.toMatch(/\$(request|request_uri|args|query_string|http_referer)\b/)
  })

  it('takes ten thousand connections by each of its workers, as many as its open files allow', () => {
    const connections = Number(/worker_connections (\d+);/.exec(lines.join('\n'))?.[1])
    const files = z.object({ nofile: z.object({ soft: z.number() }) }).parse(compose.services.nginx?.ulimits)
    expect(connections).toBeGreaterThan(10_000)
    expect(connections).toBeLessThan(files.nofile.soft)
  })

  it('never delays a client within its limit and answers 429', () => {
    const limits = placed.filter(({ text }) => text.startsWith('limit_req zone'))
    expect(limits.length).toBeGreaterThan(4)
    for (const { text } of limits) expect(text).toMatch(/ burst=\d+ nodelay;$/)
    expect(lines.join('\n')).toContain('limit_req_status 429;')
  })
})

const unitNames = readdirSync(join(root, 'systemd'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.(service|timer|conf)$/.test(name),
)
const isJob = (name: string) => unitNames.includes(name.replace('.service', '.timer'))

describe.each(unitNames)('%s', (name) => {
  const unit = read(`systemd/${name}`)

  it('runs programs, not shell lines, by absolute path', () => {
    const commands = [...unit.matchAll(/^Exec\w+=[-@:+!]*(.+)$/gm)].map((m) => m[1] ?? '')
    if (!name.endsWith('.timer')) expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) {
      expect(command).toMatch(/^(\/|\{\{root\}\}\/)/)
      expect(command).not.toMatch(/[|><;`]|&&|\$\(/)
      const script = /\{\{root\}\}\/(scripts\/\S+)/.exec(command)?.[1]
      if (script !== undefined) expect(existsSync(join(root, script)), script).toBe(true)
    }
  })

  it('is started by something, and mentions no unit that does not exist', () => {
    const started =
      /^\[Install\]\nWantedBy=/m.test(unit) || isJob(name) || name.includes('@') || name.endsWith('.conf')
    expect(started).toBe(true)
    const mentioned = [...unit.matchAll(/([\w-]*whatsapp-mcp[\w-]*)(@%n)?(\.(?:service|timer))\b/g)].map(
      (m) => `${m[1]}${m[2] ? '@' : ''}${m[3]}`,
    )
    expect(mentioned.filter((other) => !unitNames.includes(other))).toEqual([])
  })

  it('says when it fails, except for the one who says it', () => {
    const loud = /^OnFailure=whatsapp-mcp-notify@%n\.service$/m.test(unit)
    expect(loud).toBe(!name.endsWith('.timer') && !name.includes('@'))
  })
})

/** Not by the calendar: its timer runs only while somebody is expected to confirm. */
const ROLLBACK = 'whatsapp-mcp-ssh-rollback.service'
describe('whatsapp-mcp.service', () => {
  const unit = read('systemd/whatsapp-mcp.service')

  it('takes the stack down for neither a restart of dockerd nor its own death', () => {
    expect(unit).not.toMatch(/^(Requires|BindsTo|PartOf)=.*docker\.service/m)
    expect(unit).toMatch(/^Wants=.*docker\.service/m)
    expect(unit).not.toMatch(/^ExecStop=/m)
    expect(unit).toMatch(/^KillMode=mixed$/m)
  })

  it('never gives up, but starts without its secrets not once', () => {
    expect(unit).toMatch(/^StartLimitIntervalSec=0$/m)
    expect(unit).toMatch(/^Restart=always$/m)
    expect(unit).toMatch(/^Requires=whatsapp-mcp-secrets\.service$/m)
  })
})

const jobs = unitNames.filter((name) => isJob(name) && name.endsWith('.service') && name !== ROLLBACK)

it.each(jobs)('%s has an end, and leaves the server its share', (name) => {
  const unit = read(`systemd/${name}`)
  expect(unit).toMatch(/^TimeoutStartSec=\d+(min|h)$/m)
  expect(unit).toMatch(/^Nice=10\nIOSchedulingClass=idle$/m)
  // The lock of the jobs, an abstract socket, is one per network namespace.
  expect(unit).not.toMatch(/^PrivateNetwork=/m)
})

it.each(jobs)('%s has a timer that makes up for what fell due while the host was off', (name) => {
  const timer = read(`systemd/${name.replace('.service', '.timer')}`)
  expect(timer).toMatch(/^OnCalendar=.+$/m)
  expect(timer).toMatch(/^Persistent=yes$/m)
  expect(timer).toMatch(/^RandomizedDelaySec=/m)
})
