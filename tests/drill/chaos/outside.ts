import { sql } from '../lib/data.ts'
import { ADMIN, DOMAIN } from '../lib/network.ts'
import { until } from '../lib/progress.ts'
import { takeExpired } from '../scenarios/cert.ts'
import { appServices, type Row, type Scene } from './scene.ts'

/**
 * Ten minutes of the promise are twenty seconds unless `DRILL_GRAPH_DEAD_S=600`: long enough for every message sent meanwhile to
 * be refused at least once by a connection that cannot be made, and to wait for its first and its second turn (5 s, then 20 s).
 */
const GRAPH_DEAD_MS = Number(process.env.DRILL_GRAPH_DEAD_S ?? 20) * 1000

/** Sends wait meanwhile, and all of them arrive afterwards. */
export const graphDead: Row = async (scene) => {
  const from = Date.now()
  await atMeta(scene, { isReachable: false })
  try {
    const waiting = async () => ((await queued(scene)) >= 5 && Date.now() - from > GRAPH_DEAD_MS) || undefined
    await until('sends that wait', 120 + GRAPH_DEAD_MS / 1000, waiting)
    const failures = scene.failures(from)
    scene.expect('webhooks do not suffer from a dead Graph', failures === '', failures)
  } finally {
    await atMeta(scene, { isReachable: true })
  }
  scene.measure('chaosGraphDead', await sentAgain(scene))
}

/**
 * The name of Graph cannot be resolved while the server starts. Names of the stack's own containers are Docker's business, so
 * for this the server gets another address of Graph, a name that nothing here knows.
 */
export const dnsDead: Row = async (scene) => {
  const file = '/run/chaos.yml'
  const services = await appServices(scene)
  const lines = services.map(
    (name) => `  ${name}: { environment: { WA_GRAPH_URL: "http://graph.drill.test:9100" } }`,
  )
  await scene.host.write(file, ['services:', ...lines, ''].join('\n'))
  const compose = ADMIN.slice(0, ADMIN.indexOf('exec'))
  const up = ['up', '--detach', '--no-deps', '--wait', ...services]
  const from = Date.now()
  await scene.host.exec([...compose, '-f', file, ...up])
  try {
    await until('sends that wait for a name', 60, async () => (await queued(scene)) >= 3 || undefined)
    const told = await sql(
      scene.host,
      "select distinct error->>'title' from messages where status = 'queued'",
    )
    scene.expect('the ledger says why', /ENOTFOUND|EAI_AGAIN/.test(String(told)), String(told))
    // It was away while it was replaced; nothing else may be missing.
    await scene.back(from)
  } finally {
    await scene.host.exec([...compose, ...up])
    await scene.host.exec(['rm', file])
  }
  scene.measure('chaosDnsDead', await sentAgain(scene))
}

/** Callers who check certificates turn away, Meta with them; what it could not deliver comes when the certificate is new. */
export const certificateExpired: Row = async (scene) => {
  const { host, drill } = scene
  const live = `/etc/letsencrypt/live/${DOMAIN}`
  const deploy = () => scene.program('deploy-certificate.ts', DOMAIN)
  await host.sh('cp -aL "$1" /run/live', [live])
  const expired = await drill.world.authority.issue(DOMAIN, -1)
  await takeExpired(host, expired)
  const from = Date.now()
  await deploy()
  const outcome = await scene.bites(from)
  scene.expect('callers see an expired certificate', outcome === 'CERT_HAS_EXPIRED', outcome)
  const doctor = await scene.program('doctor.ts', '--json', '--only', 'network')
  const certificate = /"id":\s*"network\.certificate[^}]*"verdict":\s*"(\w+)"/.exec(doctor.stdout)?.[1]
  scene.expect(
    'and the doctor says so',
    certificate === 'no',
    `${certificate}\n${doctor.stdout.slice(0, 800)}`,
  )
  await host.sh(
    'for f in cert chain fullchain privkey; do cat "/run/live/$f.pem" > "$1/$f.pem"; done; rm -r /run/live',
    [live],
  )
  const mended = Date.now()
  await deploy()
  scene.measure('chaosCertificateExpired', await scene.back(mended))
}

/** Messages of this traffic that Meta could not be given yet. */
async function queued({ host, traffic }: Scene): Promise<number> {
  const query =
    "select count(*) from messages where idempotency_key like :'tag' || '-%' and status = 'queued'"
  const [row] = await sql(host, query, { tag: traffic.tag })
  return Number(row?.[0])
}

/** Waits until nothing of this traffic is queued. @returns seconds */
async function sentAgain(scene: Scene): Promise<number> {
  const from = Date.now()
  await until('an empty queue', 120, async () => ((await queued(scene)) === 0 ? true : undefined), 0.5)
  return (Date.now() - from) / 1000
}

async function atMeta({ drill }: Scene, change: { isReachable: boolean }): Promise<void> {
  const url = new URL('/meta', drill.standIn?.phone).href
  await drill.world.network.client([
    ...['curl', '-sS', '--fail', '-H', 'content-type: application/json'],
    ...['--data', JSON.stringify(change), url],
  ])
}
