import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { writeAtomically } from '../../secrets/atomic.ts'
import { NGINX_GID, TLS_DIRECTORY } from './stack.ts'

const FILES = ['fullchain.pem', 'privkey.pem'] as const
const DAY = 86_400_000

/** Where certbot keeps the live certificate of a domain. */
export function lineage(domain: string): string {
  return `/etc/letsencrypt/live/${domain}`
}

/** Reads a certificate; `undefined` when there is none. */
export async function readCertificate(path: string): Promise<X509Certificate | undefined> {
  return readFile(path).then(
    (pem) => new X509Certificate(pem),
    () => undefined,
  )
}

/**
 * Whether a certificate is due for renewal, in words. Authorities shorten lifetimes (Let's Encrypt: 90, 64, then 45
 * days), so the rule is a share: at least a third of the lifetime left, with three days' grace for the renewal timer.
 */
export function expiry(certificate: X509Certificate, now = Date.now()): string | undefined {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  const left = to - now
  const days = (left / DAY).toFixed(1)
  if (left <= 0) return `it expired ${certificate.validTo}`
  return left < (to - from) / 3 - 3 * DAY ? `only ${days} days are left` : undefined
}

/** Whether clients accept a certificate now, however soon it is due. */
export function isCurrent(certificate: X509Certificate, now = Date.now()): boolean {
  return Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo)
}

/** What differs between certbot's certificate and the copy nginx reads, or `undefined`. */
export async function inspectDeployed(domain: string): Promise<string | undefined> {
  for (const name of FILES) {
    const [source, copy] = await Promise.all(
      [lineage(domain), TLS_DIRECTORY].map((directory) =>
        readFile(`${directory}/${name}`).catch(() => undefined),
      ),
    )
    if (source === undefined) return `there is no ${name} of ${domain}`
    if (copy === undefined || !source.equals(copy)) return `nginx has another ${name} than certbot`
  }
  return undefined
}

/** A pair of files that was put in place. */
export interface Deployed {
  /** Puts the pair before it back, if there was one. */
  takeBack(): Promise<void>
}

/**
 * Copies certificate and key to where nginx may read them. nginx gets neither the account key nor the other
 * files below /etc/letsencrypt.
 * @throws Error when the two do not belong together; then nothing was copied
 */
export async function deployCertificate(domain: string): Promise<Deployed> {
  const [chain, key] = await Promise.all(FILES.map((name) => readFile(`${lineage(domain)}/${name}`, 'utf8')))
  if (!chain || !key || !new X509Certificate(chain).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`certificate and key in ${lineage(domain)} do not belong together`)
  const before = await Promise.all(
    FILES.map((name) => readFile(`${TLS_DIRECTORY}/${name}`, 'utf8').catch(() => undefined)),
  )
  await putInPlace([chain, key])
  return { takeBack: () => putInPlace(before) }
}

async function putInPlace(contents: readonly (string | undefined)[]): Promise<void> {
  for (const [index, name] of FILES.entries()) {
    const content = contents[index]
    if (content !== undefined)
      await writeAtomically(`${TLS_DIRECTORY}/${name}`, content, 0o640, { uid: 0, gid: NGINX_GID })
  }
}

/** Whether nginx on this host presents the certificate that was deployed; `false` also when it does not answer. */
export async function isServed(domain: string): Promise<boolean> {
  const wanted = await readCertificate(`${TLS_DIRECTORY}/fullchain.pem`)
  const served = await servedCertificate({ host: '127.0.0.1', port: 443, name: domain }).catch(
    () => undefined,
  )
  return served !== undefined && served.fingerprint256 === wanted?.fingerprint256
}

/** The certificate a server really presents for a name, trusted or not. */
export function servedCertificate(o: { host: string; port: number; name: string }): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: o.host, port: o.port, servername: o.name, rejectUnauthorized: false },
      () => {
        const certificate = socket.getPeerX509Certificate()
        socket.destroy()
        if (certificate === undefined) reject(new Error(`${o.name} presents no certificate`))
        else resolve(certificate)
      },
    )
    socket.setTimeout(5000, () =>
      socket.destroy(new Error(`no TLS answer from ${o.host}:${o.port} within 5 s`)),
    )
    socket.on('error', reject)
  })
}
