import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ReceivedAlert, readAlerts } from '../lib/alerts.ts'
import { REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { DOMAIN } from '../lib/network.ts'
import { say, until } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'
import { Traffic } from '../lib/traffic.ts'

export const title =
  'certificates are renewed unnoticed, a bad one is never taken, and an expired one is mended'

const RENEWAL = `/etc/letsencrypt/renewal/${DOMAIN}.conf`
const LIVE = `/etc/letsencrypt/live/${DOMAIN}`
const NGINX = '/etc/whatsapp-mcp/nginx/nginx.conf'
const DEPLOY = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/scripts/deploy-certificate.ts`]

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  await renewed(drill, host)
  await refusedByNginx(drill, host)
  await expired(drill, host)
}

/** Due at once: its renewal is wanted a century before its end. */
async function makeDue(host: Host): Promise<() => Promise<unknown>> {
  await host.sh('sed -i "1i renew_before_expiry = 36500 days" "$1"', [RENEWAL])
  return () => host.sh('sed -i /^renew_before_expiry/d "$1"', [RENEWAL])
}

/** What the distribution's timer starts. */
const renew = (host: Host) =>
  host.exec(['systemctl', 'start', 'certbot.service'], { mayFail: true, limit: 180 })

/** The certificate that the world sees. */
async function served(drill: Drill): Promise<string> {
  const { stdout } = await drill.world.network.client([
    ...['sh', '-c'],
    `openssl s_client -connect ${DOMAIN}:443 -servername ${DOMAIN} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256`,
  ])
  return stdout.trim().split('=')[1] ?? ''
}

async function renewed(drill: Drill, host: Host): Promise<void> {
  const before = await served(drill)
  const traffic = await Traffic.start(drill, host, 'cert')
  const undo = await makeDue(host)
  const result = await renew(host)
  await undo()
  const after = await served(drill)
  const under = (certificate: string) => traffic.attempts.some((one) => one.certificate === certificate)
  await until('a webhook under the new certificate', 30, async () => under(after) || undefined)
  const attempts = await traffic.stop()
  const failures = attempts.filter(({ ok }) => !ok)
  say(`  ${attempts.length} webhooks and sends while the certificate changed`)
  drill.expect("the packaged timer's service renews", result.code === 0, tail(result.stderr, 12))
  drill.expect('nginx serves the new certificate', after !== before && after !== '', after)
  drill.expect('webhooks came in under the old one and under the new', under(before) && under(after))
  drill.expect('nobody noticed', failures.length === 0, failures.map((one) => JSON.stringify(one)).join('\n'))
}

async function refusedByNginx(drill: Drill, host: Host): Promise<void> {
  const before = await served(drill)
  const files = () => host.sh('sha256sum /var/lib/whatsapp-mcp/tls/*').then(({ stdout }) => stdout)
  const deployed = await files()
  const known = (await ours(drill)).length
  const undo = await makeDue(host)
  await host.sh('cp -p "$1" /run/drill-nginx.conf; echo "no_such_directive on;" >> "$1"', [NGINX])
  const result = await renew(host)
  await undo()
  drill.expect('when nginx refuses its configuration, the unit fails', result.code !== 0)
  drill.expect('the old certificate is still served', (await served(drill)) === before)
  const kept = await files()
  drill.expect('and still what nginx would start with', kept === deployed, kept)
  const alert = await nextAlert(drill, known)
  drill.expect(
    'an alert names the unit',
    alert?.unit === 'certbot.service' && alert.result === 'exit-code',
    JSON.stringify(alert),
  )
  const cause = alert?.lines.some((line) => line.includes('no_such_directive')) === true
  drill.expect('and the cause', cause, alert?.lines.join('\n') ?? 'no alert')

  await renew(host)
  await until('the second alert to be counted', 20, async () => {
    const state = await host.read('/run/whatsapp-mcp-notify/certbot.service.json')
    return (JSON.parse(state) as { since: number }).since === 1 || undefined
  })
  const received = (await ours(drill)).length
  drill.expect('a second failure within the hour is counted, not told', received === known + 1, `${received}`)

  await host.sh('cat /run/drill-nginx.conf > "$1"', [NGINX])
  const mended = await renew(host)
  drill.expect('mended, the next look succeeds', mended.code === 0, tail(mended.stderr, 12))
  const after = await served(drill)
  drill.expect('and puts the waiting certificate in place', after !== before && after !== '', after)
}

async function expired(drill: Drill, host: Host): Promise<void> {
  const { network, authority } = drill.world
  await takeExpired(host, await authority.issue(DOMAIN, -1))
  // As if renewals had failed for months: the authority cannot be reached.
  await host.sh('cp /etc/hosts /run/drill-hosts; echo "127.0.0.1 pebble.drill.test" >> /etc/hosts')
  await host.exec(['rm', '-f', '/run/whatsapp-mcp-notify/certbot.service.json'])
  const known = (await ours(drill)).length
  await host.exec([...DEPLOY, DOMAIN])
  await network.client(['sh', '-c', 'cat > /root/drill-root.pem'], { input: authority.certificate })
  // Its authority is trusted here, so that nothing but its age is wrong.
  const world = await network.client(
    ['curl', '-sS', '--cacert', '/root/drill-root.pem', `https://${DOMAIN}/health`],
    { mayFail: true },
  )
  const shut = world.code === 60 && /expired/.test(world.stderr)
  drill.expect('with an expired certificate the world is shut out', shut, `${world.code} ${world.stderr}`)
  const check = await host.exec([...DEPLOY, '--check-expiry', DOMAIN], { mayFail: true })
  drill.expect(
    'the check says so and where to look',
    check.code === 1 && /expired .*journalctl -u certbot/.test(check.stderr),
    check.stderr,
  )
  drill.expect('a failing renewal fails the unit', (await renew(host)).code !== 0)
  const alert = await nextAlert(drill, known)
  drill.expect('and raises an alert', alert?.unit === 'certbot.service', JSON.stringify(alert))

  await host.sh('cat /run/drill-hosts > /etc/hosts')
  const mended = await renew(host)
  drill.expect('the cause removed, one start of certbot mends it', mended.code === 0, tail(mended.stderr, 12))
  const proof = await host.exec([...DEPLOY, '--check-expiry', DOMAIN], { mayFail: true })
  drill.expect('the check agrees', proof.code === 0, proof.stderr)
  const health = await network.client(
    ['curl', '-s', '--cacert', '/root/acme-root.pem', '-w', '%{http_code}', `https://${DOMAIN}/health`],
    { mayFail: true },
  )
  drill.expect('and so does the world', health.stdout.endsWith('200'), `${health.code} ${health.stdout}`)
  const failed = await host.exec(['systemctl', '--failed', '--no-legend', '--plain'])
  drill.expect('no unit is left failed', failed.stdout.trim() === '', failed.stdout)
}

/** Puts a certificate where certbot keeps its own, as if it had grown old there. */
export async function takeExpired(host: Host, directory: string): Promise<void> {
  const [certificate, key] = await Promise.all(
    ['cert.pem', 'key.pem'].map((name) => readFile(join(directory, name), 'utf8')),
  )
  // `>` follows the links into the archive.
  for (const name of ['cert.pem', 'fullchain.pem'])
    await host.sh('cat > "$1"', [`${LIVE}/${name}`], { input: certificate ?? '' })
  await host.sh('cat > "$1"', [`${LIVE}/privkey.pem`], { input: key ?? '' })
}

/** Alerts about certbot alone: other units of the host may have something to say meanwhile. */
async function ours(drill: Drill): Promise<readonly ReceivedAlert[]> {
  return (await readAlerts(drill.world.network)).filter(({ unit }) => unit === 'certbot.service')
}

async function nextAlert(drill: Drill, known: number): Promise<ReceivedAlert | undefined> {
  return until('an alert', 30, async () => (await ours(drill))[known]).catch(() => undefined)
}
