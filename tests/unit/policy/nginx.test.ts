import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { type Directive, parseNginx } from './nginx-blocks.ts'

/** What nginx.conf must say to strangers, and must never say. That nginx does so is for the drill's scenario `abuse`. */

const all = parseNginx(readFileSync(join(import.meta.dirname, '../../../nginx/nginx.conf'), 'utf8'))
const values = (name: string, where: (d: Directive) => boolean = () => true) =>
  all.filter((d) => d.name === name && where(d)).map(({ value }) => value)
const atHttp = (d: Directive) => d.within.join() === 'http'
const isUnder = (kind: string) => (d: Directive) => d.within.at(-1)?.startsWith(kind) === true

/** Locations that lead strangers to the app, each with its own directives. */
const proxying = all
  // Those of /replica/ are for this host: their server listens within the container alone.
  .filter(({ name, within }) => name === 'proxy_pass' && !within.at(-1)?.startsWith('location = /replica/'))
  .map(({ within, block }): [string, readonly Directive[]] => [
    within.at(-1) ?? '',
    all.filter((d) => d.block === block),
  ])

test('the reader sees the file', () => {
  expect(all.length).toBeGreaterThan(80)
  expect(all.every(({ name }) => /^[a-z0-9_~"$/.^-]+/i.test(name))).toBe(true)
  expect(proxying.map(([location]) => location)).toEqual([
    'location = /mcp',
    'location = /webhook/meta',
    'location /',
    'location @again',
  ])
})

describe('who is slow or large', () => {
  it.each([
    ['client_header_timeout', 10],
    ['client_body_timeout', 15],
    ['send_timeout', 30],
    ['keepalive_timeout', 30],
  ])('%s is %i seconds at most, for everybody', (name, most) => {
    expect(values(name)).toHaveLength(1)
    const [given = ''] = values(name, atHttp)
    expect(given).toMatch(/^\d+s$/)
    expect(Number.parseInt(given, 10)).toBeLessThanOrEqual(most)
  })

  it('has bounds for headers, streams and connections', () => {
    expect(values('large_client_header_buffers', atHttp)).toEqual(['4 8k'])
    expect(values('http2_max_concurrent_streams', atHttp)).toEqual(['64'])
    expect(values('reset_timedout_connection', atHttp)).toEqual(['on'])
    expect(values('worker_shutdown_timeout')).toHaveLength(1)
    expect(values('limit_conn', isUnder('server'))).toEqual(['clients 100'])
  })

  it.each(proxying)('%s counts requests and bounds bodies', (location, own) => {
    const names = own.map(({ name }) => name)
    // Who goes there was counted before.
    if (location !== 'location @again') expect(names).toContain('limit_req')
    const [size = ''] = own.filter(({ name }) => name === 'client_max_body_size').map(({ value }) => value)
    expect(size).toMatch(/^[1-5]m$/)
  })

  it('uses every zone it has, with room for many clients', () => {
    const zones = values('limit_req_zone').map((zone) => /zone=(\w+):10m/.exec(zone)?.[1] ?? zone)
    const used = values('limit_req').map((limit) => /zone=(\w+)/.exec(limit)?.[1])
    expect(zones.length).toBeGreaterThanOrEqual(5)
    expect([...used].sort()).toEqual([...zones].sort())
  })
})

test('what is for this host alone listens within the container', () => {
  const replicas = all.filter(({ within }) => within.at(-1)?.startsWith('location = /replica/'))
  expect(replicas.map(({ value }) => value)).toEqual(['http://app/livez', 'http://app_fresh/livez'])
  const [server] = all.filter(({ name, value }) => name === 'add_header' && value.startsWith('X-Replica'))
  const own = all.filter(({ block }) => block === server?.block)
  expect(own.filter(({ name }) => name === 'listen').map(({ value }) => value)).toEqual(['127.0.0.1:8081'])
})

describe('who asks for another name', () => {
  const refusing = all.filter(({ name, value }) => name === 'listen' && value.endsWith('default_server'))

  it('is refused on either port, before and after the handshake', () => {
    expect(refusing.map(({ value }) => value)).toEqual(['8080 default_server', '8443 ssl default_server'])
    const answers = values('return', (d) => d.within.join() === 'http,server')
    expect(answers).toEqual(['444', '421'])
    expect(values('ssl_reject_handshake')).toEqual(['on'])
  })
})

describe('logs', () => {
  const names = (format: string) => [...format.matchAll(/\$(\w+)/g)].map((match) => match[1] ?? '')

  it('hold no more than this', () => {
    const [format = '', ...others] = values('log_format')
    expect(others).toEqual([])
    expect(format).toMatch(/^json escape=json /)
    const harmless = [
      'time_iso8601',
      'rid',
      'request_method',
      'logged_uri',
      'logged_status',
      'body_bytes_sent',
    ]
    const measured = ['request_time', 'upstream_addr', 'upstream_status', 'upstream_response_time']
    const allowed = new Set([...harmless, ...measured, 'remote_addr', 'ssl_protocol', 'limit_req_status'])
    expect(names(format).filter((name) => !allowed.has(name))).toEqual([])
  })

  it('hide the tickets of media, and what is no text', () => {
    const rules = all.filter(({ within }) => within.at(-1) === 'map $uri $logged_uri')
    expect(rules.map(({ name, value }) => `${name} ${value}`)).toEqual([
      'default $uri',
      '"~[^ -~]" unprintable',
      '"~^/media/." /media/',
    ])
  })

  it('print no request line: below an alert, the error log is silent about requests', () => {
    expect(values('error_log', atHttp)).toEqual(['/dev/stderr alert'])
    expect(values('error_log', ({ within }) => within.length > 1)).toEqual([])
  })
})

describe('what is passed on', () => {
  const server = (d: Directive) => isUnder('server')(d)
  const set = new Map(
    values('proxy_set_header', server).map((value) => [value.split(' ')[0], value.split(' ')[1]]),
  )

  it('is what nginx knows itself', () => {
    expect(Object.fromEntries([...set].filter(([, value]) => value !== '""'))).toEqual({
      Host: '$host',
      'X-Request-Id': '$rid',
      'X-Real-IP': '$remote_addr',
      'X-Forwarded-For': '$remote_addr',
      'X-Forwarded-Proto': 'https',
    })
  })

  it('is not what a client claims', () => {
    const claims = ['Forwarded', 'Host', 'Port', 'Server', 'Prefix', 'Ssl', 'Scheme'].map((name, i) =>
      i === 0 ? name : `X-Forwarded-${name}`,
    )
    const others = ['X-Original-URL', 'X-Rewrite-URL', 'X-Client-IP', 'X-Cluster-Client-IP', 'True-Client-IP']
    for (const name of [...claims, ...others, 'CF-Connecting-IP', 'Proxy'])
      expect(set.get(name), name).toBe('""')
  })

  it('is never widened', () => {
    const lax = [
      'underscores_in_headers',
      'ignore_invalid_headers',
      'merge_slashes',
      'proxy_set_body',
      'autoindex',
    ]
    const open = [
      'stub_status',
      'dav_methods',
      'proxy_pass_request_headers',
      'alias',
      'proxy_ssl_verify',
      'real_ip_header',
    ]
    for (const name of [...lax, ...open, 'set_real_ip_from', 'proxy_redirect'])
      expect(values(name), name).toEqual([])
    // A name from the request would let strangers choose whom nginx talks to.
    for (const target of values('proxy_pass')) expect(target).not.toContain('$')
  })
})

describe('TLS and answers', () => {
  it('is 1.2 or newer, forward secret, without tickets', () => {
    expect(values('ssl_protocols')).toEqual(['TLSv1.2 TLSv1.3'])
    const ciphers = (values('ssl_ciphers')[0] ?? '').split(':')
    expect(ciphers.length).toBeGreaterThan(3)
    for (const cipher of ciphers) expect(cipher).toMatch(/^ECDHE-(ECDSA|RSA)-(AES\d+-GCM|CHACHA20-POLY1305)/)
    expect(values('ssl_session_tickets')).toEqual(['off'])
    expect(values('ssl_early_data')).toEqual([])
  })

  it('say nothing of versions, and always bring their headers', () => {
    expect(values('server_tokens', atHttp)).toEqual(['off'])
    const headers = values('add_header', isUnder('server'))
    expect(headers.every((value) => value.endsWith(' always'))).toBe(true)
    expect(headers.map((value) => value.split(' ')[0])).toEqual([
      'X-Replica',
      'Strict-Transport-Security',
      'X-Content-Type-Options',
      'Retry-After',
    ])
  })
})
