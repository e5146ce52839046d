import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.ts'

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
const squeeze = (pem: string): string => pem.replace(/\s/g, '')

/**
 * Certificates this machine trusts beyond its distribution's list: a company proxy that signs with its own authority, usually none.
 * Everything that downloads inside the drill must trust them as well.
 */
export async function foreignAuthorities(): Promise<readonly string[]> {
  const bundle = process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt'
  const trusted = (await readFile(bundle, 'utf8')).match(PEM) ?? []
  const listed = '/usr/share/ca-certificates/mozilla'
  const usual = new Set<string>()
  for (const file of await readdir(listed)) {
    for (const pem of (await readFile(join(listed, file), 'utf8')).match(PEM) ?? []) usual.add(squeeze(pem))
  }
  return trusted.filter((pem) => !usual.has(squeeze(pem))).map((pem) => `${pem}\n`)
}

export interface Authority {
  /** The authority's own certificate, PEM. */
  readonly certificate: string
  /**
   * Makes a key and a certificate for one name; gives a directory with `cert.pem` and `key.pem`.
   * @param days how long it is valid from now on; below 0 it has expired. Default: 2.
   */
  issue(name: string, days?: number): Promise<string>
}

/**
 * A throw-away certificate authority for the drill's own servers, valid for two days.
 * @param directory private and new
 */
export async function createAuthority(directory: string): Promise<Authority> {
  const at = (name: string): string => join(directory, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await run(
    ['openssl', 'req', '-x509', ...key, '-days', '2', '-subj', '/CN=Drill authority'].concat([
      '-addext',
      'keyUsage=critical,keyCertSign',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
    ]),
  )
  return {
    certificate: await readFile(at('ca.pem'), 'utf8'),
    async issue(name, days = 2) {
      const own = await mkdtemp(at(`${name}-`))
      await chmod(own, 0o755)
      const file = (ending: string): string => join(own, ending)
      await writeFile(file('extensions'), `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth\n`)
      await run(
        ['openssl', 'req', ...key, '-subj', `/CN=${name}`].concat([
          '-keyout',
          file('key.pem'),
          '-out',
          file('request.csr'),
        ]),
      )
      await run(
        [
          'openssl',
          'x509',
          '-req',
          '-in',
          file('request.csr'),
          '-CA',
          at('ca.pem'),
          '-CAkey',
          at('ca.key'),
        ].concat(
          ['-set_serial', `0x${randomBytes(12).toString('hex')}`, '-days', String(days)],
          ['-extfile', file('extensions'), '-out', file('cert.pem')],
        ),
      )
      // The servers in the containers need not run as root to read it; it is worthless outside the drill.
      await chmod(file('key.pem'), 0o644)
      return own
    },
  }
}
