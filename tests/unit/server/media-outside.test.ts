import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isPublicAddress } from '../../../server/media/address.ts'
import {
  AddressRefused,
  BadAnswer,
  fetchOutside,
  type Outside,
  outside,
} from '../../../server/media/outside.ts'

describe('isPublicAddress', () => {
  it.each(['8.8.8.8', '93.184.216.34', '2606:4700::1111', '2a00:1450:4001::200e'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true)
    },
  )

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:0:7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    '4000::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '2130706433',
    '',
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  it('only the port of https is open outside', () => {
    expect([443, 80, 22, 8443, 5432].map((port) => outside.allows('8.8.8.8', port))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
    expect(outside.allows('127.0.0.1', 443)).toBe(false)
  })
})

/** `public` stands for the internet on 127.0.0.1, `inside` for what only we can reach on 127.0.0.2, at the same port. */
const hits = { public: [] as IncomingMessage[], inside: 0 }
let answer: (res: ServerResponse) => void
let servers: Server[]
let port: number

beforeAll(async () => {
  const listen = (server: Server, host: string, at: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, host, resolve))
  const open = createServer((req, res) => {
    hits.public.push(req)
    answer(res)
  })
  const inside = createServer((_, res) => {
    hits.inside += 1
    res.end('canary')
  })
  servers = [open, inside]
  await listen(open, '127.0.0.1', 0)
  port = (open.address() as AddressInfo).port
  await listen(inside, '127.0.0.2', port)
})
afterAll(() => {
  for (const server of servers) server.close()
})
beforeEach(() => {
  hits.public = []
  hits.inside = 0
  answer = (res) => res.end('file')
})

/** Plain HTTP takes the place of TLS; all that is decided before a connection is the same. */
function world(names: Record<string, readonly string[]>): Outside & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    resolve: async (hostname) => {
      asked.push(hostname)
      const answers = names[hostname] ?? []
      // One address per look-up where several are given as a sequence.
      return hostname.startsWith('turns-') ? answers.slice(asked.length - 1, asked.length) : answers
    },
    allows: (address) => address === '127.0.0.1',
    get: (options, signal) =>
      new Promise((resolve, reject) =>
        request({ ...options, signal }, resolve)
          .once('error', reject)
          .end(),
      ),
  }
}
const OPEN = { 'open.test': ['127.0.0.1'], 'inside.test': ['127.0.0.2'] }
const never = new AbortController().signal
const fetch = (url: string, around: Outside = world(OPEN)) =>
  fetchOutside(url.replaceAll('PORT', String(port)), never, around)
const redirect = (location: string, status = 302) => {
  answer = (res) => res.writeHead(status, { location: location.replaceAll('PORT', String(port)) }).end()
}

describe('fetchOutside', () => {
  it('fetches a file, and tells the other side nothing about us but the product', async () => {
    expect(await text(await fetch('https://open.test:PORT/a?b=c'))).toBe('file')
    const [seen] = hits.public
    expect(seen?.url).toBe('/a?b=c')
    expect(seen?.headers.host).toBe(`open.test:${port}`)
    expect(Object.keys(seen?.headers ?? {}).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ])
  })

  it.each([
    'http://open.test:PORT/',
    'ftp://open.test/',
    'file:///etc/passwd',
    'data:text/plain,hello',
    '//open.test/',
    'not a url',
    '',
    'https://user:secret@open.test:PORT/',
    'https://token@open.test:PORT/',
    'https://inside.test:PORT/',
    'https://127.0.0.2:PORT/',
    'https://0x7f000002:PORT/',
    'https://2130706434:PORT/',
    'https://0177.0.0.2:PORT/',
    'https://[::1]:PORT/',
    'https://[::ffff:127.0.0.2]:PORT/',
    'https://unknown.test:PORT/',
  ])('refuses %s without a connection', async (url) => {
    await expect(fetch(url)).rejects.toThrow(AddressRefused)
    expect([hits.public.length, hits.inside]).toEqual([0, 0])
  })

  it('refuses a name with one private address among public ones', async () => {
    const mixed = world({ 'mixed.test': ['127.0.0.1', '127.0.0.2'] })
    await expect(fetch('https://mixed.test:PORT/', mixed)).rejects.toThrow(AddressRefused)
    expect(hits.public).toEqual([])
  })

  it('believes no resolver about an address that is written out, since a connection would not either', async () => {
    const lying = world({ '127.0.0.2': ['127.0.0.1'] })
    await expect(fetch('https://127.0.0.2:PORT/', lying)).rejects.toThrow(AddressRefused)
  })

  it('connects to the address that was checked, although the name has moved inside meanwhile', async () => {
    const around = world({ 'turns-inside.test': ['127.0.0.1', '127.0.0.2'] })
    expect(await text(await fetch('https://turns-inside.test:PORT/', around))).toBe('file')
    expect(around.asked).toEqual(['turns-inside.test'])
    expect(hits.inside).toBe(0)
  })

  it('checks a name again for each redirect', async () => {
    redirect('https://turns-inside.test:PORT/again')
    const around = world({ 'turns-inside.test': ['127.0.0.1', '127.0.0.2'] })
    await expect(fetch('https://turns-inside.test:PORT/', around)).rejects.toThrow(AddressRefused)
    expect([hits.public.length, hits.inside]).toEqual([1, 0])
  })

  it.each([
    'https://inside.test:PORT/',
    'https://127.0.0.2:PORT/',
    'https://[::1]:PORT/',
    'http://open.test:PORT/',
    'file:///etc/passwd',
    'https://user:secret@open.test:PORT/',
    'https://169.254.169.254/latest/meta-data/',
  ])('does not follow a redirect to %s', async (location) => {
    redirect(location)
    await expect(fetch('https://open.test:PORT/')).rejects.toThrow(AddressRefused)
    expect([hits.public.length, hits.inside]).toEqual([1, 0])
  })

  it.each([301, 302, 303, 307, 308])('follows a %i to the same world, relative or not', async (status) => {
    let first = true
    answer = (res) => {
      if (first) res.writeHead(status, { location: '/second' }).end()
      else res.end('second')
      first = false
    }
    expect(await text(await fetch('https://open.test:PORT/first'))).toBe('second')
  })

  it('gives up after three redirects', async () => {
    redirect('/on')
    await expect(fetch('https://open.test:PORT/')).rejects.toThrow(BadAnswer)
    expect(hits.public).toHaveLength(4)
  })

  it.each([204, 304, 401, 404, 500])('takes no %i for a file', async (status) => {
    answer = (res) => res.writeHead(status).end()
    await expect(fetch('https://open.test:PORT/')).rejects.toThrow(`answered ${status}`)
  })

  it('stops when nobody waits any more', async () => {
    answer = () => {}
    const end = AbortSignal.timeout(50)
    await expect(fetchOutside(`https://open.test:${port}/`, end, world(OPEN))).rejects.toThrow()
  })
})
