import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { networkInterfaces } from 'node:os'
import { connect } from 'node:tls'
import { expiry, servedCertificate } from '../lib/certificate.ts'
import { messageOf } from '../lib/fail.ts'
import { STACK_ENV } from '../lib/stack.ts'
import { ask } from './ask.ts'
import { type Check, no, notSure, yes } from './check.ts'

const HERE = '127.0.0.1'
const PUBLISHED = ['80', '443']
/** Between the burst that /health allows and what a look may ask of it. */
const REQUESTS = 12

async function domain(): Promise<string> {
  const name = /^WA_DOMAIN=(.+)$/m.exec(await readFile(STACK_ENV, 'utf8'))?.[1]
  if (name === undefined) throw new Error(`${STACK_ENV} names no WA_DOMAIN`)
  return name
}

interface Reply {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
}

/** Asks the stack of this host, whatever DNS says. */
async function get(path: string): Promise<Reply> {
  const servername = await domain()
  return new Promise((resolve, reject) => {
    const options = {
      host: HERE,
      path,
      servername,
      headers: { host: servername },
      timeout: 5000,
      agent: false as const,
    }
    const asking = request(options, (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
    asking
      .on('timeout', () => asking.destroy(new Error('no answer within 5 s')))
      .on('error', reject)
      .end()
  })
}

/** Whether a handshake that may use nothing newer than `version` succeeds. */
async function accepts(version: 'TLSv1' | 'TLSv1.1'): Promise<boolean> {
  const servername = await domain()
  return new Promise((resolve) => {
    const socket = connect(
      // The lowest security level, or our own library would refuse before the server can.
      {
        host: HERE,
        port: 443,
        servername,
        minVersion: version,
        maxVersion: version,
        ciphers: 'ALL:@SECLEVEL=0',
      },
      () => {
        socket.destroy()
        resolve(true)
      },
    )
    socket.setTimeout(5000, () => socket.destroy())
    socket.on('error', () => resolve(false)).on('close', () => resolve(false))
  })
}

export const network: readonly Check[] = [
  {
    id: 'network.published',
    statement: 'the containers publish 80 and 443 and nothing else',
    async look() {
      const { stdout } = await ask('docker', 'ps', '--format', '{{.Names}} {{.Ports}}')
      const ports = [...stdout.matchAll(/(?:0\.0\.0\.0|\[?::\]?|[\d.]+):(\d+)->/g)].map(
        (match) => match[1] ?? '',
      )
      const surplus = ports.filter((port) => !PUBLISHED.includes(port))
      const missing = PUBLISHED.filter((port) => !ports.includes(port))
      if (surplus.length > 0) return no(`also ${surplus.join(', ')}`, 'docker ps')
      return missing.length === 0
        ? yes('80, 443')
        : no(`not ${missing.join(', ')}`, 'systemctl status whatsapp-mcp')
    },
  },
  {
    id: 'network.listening',
    statement: 'nothing but ssh and nginx listens to the world',
    async look() {
      const { code, stdout } = await ask('ss', '-Hltn')
      if (code !== 0) return notSure('ss gives no answer', 'apt-get install iproute2')
      const open = stdout.split('\n').flatMap((line) => line.split(/\s+/)[3] ?? [])
      const world = open.filter((address) => !/^(127\.|\[::1\]|\[::ffff:127\.)/.test(address))
      const ports = [...new Set(world.map((address) => address.split(':').at(-1) ?? ''))]
      const surplus = ports.filter((port) => !['22', ...PUBLISHED].includes(port))
      return surplus.length === 0
        ? yes(ports.join(', '))
        : no(`also ${surplus.join(', ')}`, `ss -ltnp 'sport = :${surplus[0]}'`)
    },
  },
  {
    id: 'network.firewall',
    statement: 'the firewall is on and lets in what it must',
    async look() {
      const { stdout } = await ask('ufw', 'status', 'verbose')
      const isOn = /^Status: active$/m.test(stdout) && /^Default: deny \(incoming\)/m.test(stdout)
      return isOn
        ? yes('active, deny by default')
        : no(stdout.split('\n')[0] || 'no ufw', 'npx zx bootstrap/00-install.ts')
    },
  },
  {
    id: 'network.dns',
    statement: 'the public name leads here',
    async look() {
      const name = await domain()
      const found = await lookup(name, { family: 4 }).then(
        ({ address }) => address,
        () => undefined,
      )
      if (found === undefined) return no(`${name} has no address`, `create an A record for ${name}`)
      const own = Object.values(networkInterfaces()).flatMap(
        (list) => list?.map(({ address }) => address) ?? [],
      )
      // Behind address translation a host does not know its own public address.
      return own.includes(found)
        ? yes(found)
        : notSure(`${name} is ${found}, not an address of an interface here`, `curl https://${name}/health`)
    },
  },
  {
    id: 'network.certificate',
    statement: 'the certificate that is served is right and not due',
    async look() {
      const name = await domain()
      const served = await servedCertificate({ host: HERE, port: 443, name })
      if (served.checkHost(name) === undefined)
        return no(`it is not for ${name}`, 'npx zx bootstrap/20-certbot.ts')
      const due = expiry(served)
      if (due !== undefined) return no(due, 'docs/operations/incidents/certificate.md')
      const trusted = await get('/livez').then(
        () => undefined,
        (error: unknown) => messageOf(error),
      )
      return trusted === undefined
        ? yes(`until ${served.validTo}`)
        : no(trusted, 'docs/operations/incidents/certificate.md')
    },
  },
  {
    id: 'network.protocols',
    statement: 'TLS older than 1.2 is refused',
    async look() {
      const old = (
        await Promise.all((['TLSv1', 'TLSv1.1'] as const).map(async (v) => ((await accepts(v)) ? [v] : [])))
      ).flat()
      return old.length === 0
        ? yes('TLS 1.0 and 1.1 refused')
        : no(`accepts ${old.join(', ')}`, 'npx zx bootstrap/40-stack.ts')
    },
  },
  {
    id: 'network.hsts',
    statement: 'browsers are told to come by TLS only',
    async look() {
      const header = (await get('/')).headers['strict-transport-security']
      return typeof header === 'string' && /max-age=\d{8,}/.test(header)
        ? yes(header)
        : no('no Strict-Transport-Security', 'npx zx bootstrap/40-stack.ts')
    },
  },
  {
    id: 'network.limits',
    statement: 'who asks too often is told so (429)',
    async look() {
      const replies = await Promise.all(Array.from({ length: REQUESTS }, () => get('/health')))
      const refused = replies.filter(({ status }) => status === 429).length
      return refused > 0
        ? yes(`${refused} of ${REQUESTS} refused`)
        : no(`${REQUESTS} at once were all answered`, 'npx zx bootstrap/40-stack.ts')
    },
  },
]
