import { sql } from '../lib/data.ts'
import { DOMAIN } from '../lib/network.ts'
import type { Situation } from '../lib/runbook/stage.ts'
import { takeExpired } from '../scenarios/cert.ts'

const SECRETS = '/opt/whatsapp-mcp/secrets/secrets.enc.yaml'
const BACKUPS = '/var/lib/whatsapp-mcp/backups'

/** The encrypted file was damaged, and the stack was restarted. */
export const stackDown: Situation = async (stage) => {
  const { host } = stage
  // One character of one encrypted value.
  await host.sh(`sed -i '0,/data:\\(.\\)/s//data:+\\1/' "$1"`, [SECRETS])
  const restarted = await host.exec(['systemctl', 'restart', 'whatsapp-mcp'], { mayFail: true, limit: 120 })
  stage.drill.expect('with a damaged secrets file the stack does not start', restarted.code !== 0)
  await stage.read('incidents/stack-down.md', {}, { secrets: undefined, database: undefined })
}

/** A job has failed for good, and forged deliveries have come. */
export const messages: Situation = async (stage) => {
  const dead = () =>
    sql(
      stage.host,
      `insert into outbox (name, data, state, attempts, last_error)
       values ('wa/templates.sync.requested', '{"wabaId": "100000000000001"}', 'dead', 8, 'the drill said no')`,
    )
  const forged = () =>
    stage.drill.world.network.client([
      ...[
        'curl',
        '-s',
        '--cacert',
        '/root/acme-root.pem',
        '-H',
        `x-hub-signature-256: sha256=${'0'.repeat(64)}`,
      ],
      ...['--data', '{}', `https://${DOMAIN}/webhook/meta`],
    ])
  await stage.read('incidents/messages.md', {}, { dead, signature: forged, nothing: undefined })
}

/** Old backups have filled their file system. */
export const diskFull: Situation = async (stage) => {
  const { host, drill } = stage
  const set = '20260101T000000Z'
  // Of its own, as the disk of the machine that runs the drill must not fill up.
  await host.exec(['mount', '-t', 'tmpfs', '-o', 'size=300m,mode=0700', 'tmpfs', BACKUPS])
  try {
    await host.exec(['mkdir', '-p', `${BACKUPS}/sets/${set}`])
    await host.exec(['fallocate', '-l', '100M', `${BACKUPS}/sets/${set}/database.dump`])
    const refused = await host.sh('cd /opt/whatsapp-mcp && npx zx scripts/backup-db.ts', [], {
      mayFail: true,
    })
    const said = `${refused.code} ${refused.stderr}`
    drill.expect('a backup without room is refused', refused.code === 3 && /room/.test(said), said)
    const ways = { images: undefined, journal: undefined, backups: undefined }
    await stage.read('incidents/disk-full.md', { given: { set } }, ways)
  } finally {
    await host.exec(['umount', BACKUPS])
  }
}

/** Renewals have failed for months. */
export const certificate: Situation = async (stage) => {
  const { host, drill } = stage
  await takeExpired(host, await drill.world.authority.issue(DOMAIN, -1))
  await host.exec([
    '/opt/whatsapp-mcp/node_modules/.bin/node',
    '/opt/whatsapp-mcp/scripts/deploy-certificate.ts',
    DOMAIN,
  ])
  await stage.read('incidents/certificate.md', {}, { renew: undefined, deploy: undefined, nginx: undefined })
}
