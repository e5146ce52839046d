import * as z from 'zod'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'
import { DOMAIN } from '../network.ts'
import { until } from '../progress.ts'

const NETWORK = 'whatsapp-mcp_edge'
const APPS = ['app', 'app-b'] as const
const containerOf = (service: string) => `whatsapp-mcp-${service}-1`
const PATHS = ['/health', '/mcp', '/webhook/meta', '/api/inngest', '/media/abcdefgh12345678']

/** Answers every request with its headers. */
const ECHO = `require('node:http').createServer((q, s) => s.end(JSON.stringify({ echo: q.headers }))).listen(3000, '0.0.0.0')`
const echoed = z.object({ echo: z.record(z.string(), z.string()) })

const LIE = '6.6.6.6'
const SPOOFED: Readonly<Record<string, string>> = {
  'X-Forwarded-For': LIE,
  'X-Forwarded-Proto': 'http',
  'X-Forwarded-Host': 'evil.example',
  'X-Forwarded-Port': '666',
  'X-Forwarded-Server': 'evil.example',
  'X-Forwarded-Prefix': '/evil',
  'X-Forwarded-Ssl': 'off',
  'X-Forwarded-Scheme': 'http',
  'X-Real-IP': LIE,
  'X-Client-IP': LIE,
  'X-Cluster-Client-IP': LIE,
  'X-Original-URL': '/evil',
  'X-Rewrite-URL': '/evil',
  'True-Client-IP': LIE,
  'CF-Connecting-IP': LIE,
  Forwarded: `for=${LIE}`,
  Proxy: 'http://evil.example',
  'X-Request-Id': 'evil id',
}
/** What nginx may set itself; everything else of the above must be gone. */
const OWN = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'x-request-id'])

/** Puts an echo in the app's place on nginx's network, and sees what each location lets through. */
export async function probeHeaders(drill: Drill, host: Host): Promise<void> {
  const { client } = drill.world.network
  const ask = async (path: string, headers: Readonly<Record<string, string>>) => {
    const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const answer = await client(
      [
        'curl',
        '-s',
        '--max-time',
        '5',
        '--cacert',
        '/root/acme-root.pem',
        ...lines,
        `https://${DOMAIN}${path}`,
      ],
      { mayFail: true },
    )
    const parsed = answer.stdout.startsWith('{"echo"') ? echoed.parse(JSON.parse(answer.stdout)) : undefined
    return parsed?.echo
  }
  const inspect = ['docker', 'inspect', '--format', '{{.Config.Image}}', containerOf('app')]
  const image = (await host.exec(inspect)).stdout.trim()
  for (const service of APPS)
    await host.exec(['docker', 'network', 'disconnect', NETWORK, containerOf(service)])
  try {
    const place = ['--name', 'drill-echo', '--network', NETWORK, '--network-alias', 'app']
    await host.exec(['docker', 'run', '-d', '--rm', ...place, image, '-e', ECHO])
    // nginx follows the name within the seconds of its resolver.
    await until('the echo behind nginx', 30, () => ask('/api/inngest', {}), 1)
    const own = (await client(['hostname', '-i'])).stdout.trim()
    for (const path of PATHS) {
      const got = await ask(path, SPOOFED)
      if (got === undefined) {
        drill.expect(`${path} reaches the app`, false, 'no echo')
        continue
      }
      const through = Object.entries(SPOOFED).filter(
        ([name, value]) =>
          got[name.toLowerCase()] === value || (name.toLowerCase() in got && !OWN.has(name.toLowerCase())),
      )
      drill.expect(
        `${path}: no spoofed header arrives`,
        through.length === 0,
        through.map(([name]) => name).join(' '),
      )
      const right = [got['x-forwarded-for'], got['x-real-ip']].every((value) => value === own)
      drill.expect(
        `${path}: the client's address is the true one`,
        right,
        `${got['x-forwarded-for']}, not ${own}`,
      )
      drill.expect(
        `${path}: the scheme is https`,
        got['x-forwarded-proto'] === 'https',
        got['x-forwarded-proto'],
      )
      const rid = got['x-request-id'] ?? ''
      drill.expect(`${path}: a bad request id is replaced`, /^[0-9a-f]{32}$/.test(rid), rid)
    }
    const kept = await ask('/api/inngest', { 'X-Request-Id': 'drill-0123456789' })
    drill.expect(
      'a good request id is kept',
      kept?.['x-request-id'] === 'drill-0123456789',
      kept?.['x-request-id'],
    )
  } finally {
    await host.exec(['docker', 'rm', '-f', 'drill-echo'], { mayFail: true })
    for (const service of APPS)
      await host.exec(['docker', 'network', 'connect', '--alias', service, NETWORK, containerOf(service)])
  }
  const back = await until(
    'the app behind nginx',
    30,
    async () => {
      const argv = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', '/root/acme-root.pem']
      const answer = await client([...argv, `https://${DOMAIN}/webhook/meta`], { mayFail: true })
      return (answer.stdout !== '' && !answer.stdout.startsWith('5') && answer.stdout !== '000') || undefined
    },
    1,
  )
  drill.expect('the app is back in its place', back)
}
