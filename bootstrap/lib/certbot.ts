import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { expiry, isCurrent, lineage, readCertificate } from '../../scripts/lib/certificate.ts'
import { Fail } from '../../scripts/lib/fail.ts'
import type { Context } from './context.ts'
import { readIfThere } from './files.ts'
import type { Resource } from './resource.ts'

/**
 * A certificate by webroot from the first issue on, so that renewals need no port of their own: certbot remembers the
 * method per certificate, and nginx serves the same directory later.
 */
export function certificate(context: Context, webroot: string): Resource {
  const { shell, answers } = context
  const { domain, email, acme_server: server } = answers
  const issuedElsewhere = async () => {
    const renewal = await readIfThere(`/etc/letsencrypt/renewal/${domain}.conf`)
    return renewal !== undefined && !renewal.includes(`server = ${server}\n`)
  }
  return {
    title: 'certificate',
    async inspect() {
      const found = await readCertificate(`${lineage(domain)}/fullchain.pem`)
      if (found === undefined) return `there is no certificate for ${domain}`
      if (found.checkHost(domain) === undefined) return `the certificate is not for ${domain}`
      if (await issuedElsewhere()) return `the certificate comes from another authority than ${server}`
      // A host that takes over cannot renew before DNS leads to it; until then it makes do with what it was given.
      if (context.recovering && isCurrent(found)) return undefined
      return expiry(found)
    },
    async apply() {
      // certbot clears away its challenge, but not when it is killed.
      await rm(`${webroot}/.well-known`, { recursive: true, force: true })
      const challenge = await serveChallenges(webroot)
      try {
        const again = (await issuedElsewhere()) ? ['--force-renewal'] : ['--keep-until-expiring']
        const options = [
          ...['--webroot', '--webroot-path', webroot, '--cert-name', domain, '--domain', domain],
          ...['--email', email, '--agree-tos', '--non-interactive', '--server', server, ...again],
        ]
        await shell({
          seconds: 180,
          next: `check that http://${domain}/ reaches this host on port 80 from outside, then run the same command again`,
        })`certbot certonly ${options}`
      } finally {
        await challenge?.close()
      }
    },
  }
}

const CHALLENGE = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,128})$/

/** Stands in on port 80 until nginx is up. `undefined` when something, which is nginx then, already listens. */
async function serveChallenges(webroot: string): Promise<{ close(): Promise<void> } | undefined> {
  const server = createServer((request, response) => {
    const token = CHALLENGE.exec(request.url ?? '')?.[1]
    const file =
      token === undefined
        ? Promise.reject(new Error('not a challenge'))
        : readFile(`${webroot}/.well-known/acme-challenge/${token}`)
    file.then(
      (text) => response.end(text),
      () => response.writeHead(404).end(),
    )
  })
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else
        reject(
          new Fail(`port 80 cannot be opened: ${error.message}`, { next: 'run this as root', cause: error }),
        )
    })
    server.listen(80, '0.0.0.0', () =>
      resolve({
        close: () =>
          new Promise((done) => {
            server.closeAllConnections()
            server.close(() => done())
          }),
      }),
    )
  })
}
