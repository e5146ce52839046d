import * as z from 'zod'
import { measureBackupSpeed } from './backup-speed.ts'
import { REPOSITORY } from './bootstrap.ts'
import { addPending, seed, sql, takeContents } from './data.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { ADMIN } from './network.ts'
import { timed, until } from './progress.ts'
import { smoke } from './smoke.ts'
import type { StandIn } from './stand-in.ts'

const SCRIPTS = `${REPOSITORY}/scripts`
const NODE = `${REPOSITORY}/node_modules/.bin/node`

/** What is known of the lost host. */
export interface Lost {
  readonly contents: readonly string[]
  readonly token: string
  readonly message: { readonly id: string; readonly body: string }
  readonly file: { readonly id: string; readonly sha256: string }
  readonly manifest: { readonly name: string; readonly rows: number }
  /** rows of the outbox that were held already */
  readonly held: number
}

/** Fills the host, makes its last backup, and notes what must come back. */
export async function prepareLoss(drill: Drill, host: Host, standIn: StandIn): Promise<Lost> {
  // Its administrators will not be on the host that takes over.
  await host.sh('grep -q "^ssh:" $1 || echo "ssh: strict" >> $1', ['/etc/whatsapp-mcp/answers.yaml'])
  // A conversation, so that there is an answer to copy the pending ones from.
  await smoke(drill, host)
  await seed(host, standIn.numberId)
  const token = await mintKey(host, standIn.numberId)
  const [[id = '', body = ''] = []] = await sql(
    host,
    `select id, body from messages where wa_message_id = 'wamid.SEED.77'`,
  )
  const [[fileId = '', sha256 = ''] = []] = await sql(
    host,
    `select id, encode(sha256, 'hex') from media_objects where status = 'stored' order by id limit 1`,
  )
  await backupsEnded(host)
  await measureBackupSpeed(drill, host)
  await backupsEnded(host)
  const [[held] = []] = await sql(host, `select count(*) from outbox where state = 'held'`)
  await addPending(host, standIn.numberId)
  for (const script of ['backup-db', 'backup-media', 'sync-offsite']) {
    await timed(script, () => host.exec([NODE, `${SCRIPTS}/${script}.ts`, '--json'], { limit: 900 }))
  }
  const [name = ''] = (await host.sh('ls -1r /var/lib/whatsapp-mcp/backups/sets')).stdout.split('\n')
  const text = await host.read(`/var/lib/whatsapp-mcp/backups/sets/${name}/manifest.json`)
  const { database } = z
    .object({ database: z.object({ tables: z.array(z.object({ rows: z.number() })) }) })
    .parse(JSON.parse(text))
  const rows = database.tables.reduce((sum, table) => sum + table.rows, 0)
  const contents = await takeContents(host)
  return {
    contents,
    token,
    message: { id, body },
    file: { id: fileId, sha256 },
    manifest: { name, rows },
    held: Number(held),
  }
}

/** One begins in the background, and its copies elsewhere follow it. */
export async function backupsEnded(host: Host): Promise<void> {
  await until('end of a backup and its copies', 300, async () => {
    const state = await host.exec(['systemctl', 'is-active', 'whatsapp-mcp-backup', 'whatsapp-mcp-offsite'], {
      mayFail: true,
    })
    return !/^(active|activating)/m.test(state.stdout) || undefined
  })
}

async function mintKey(host: Host, numberId: string): Promise<string> {
  const admin = (...argv: string[]) => host.exec([...ADMIN, ...argv])
  await admin('clients', 'create', '--name', 'survivor', '--display-name', 'Survivor')
  await admin('grants', 'add', '--client', 'survivor', '--phone', numberId, '--verbs', 'read,send')
  const scopes = 'tools:get_message,tools:get_media,tools:get_messages'
  const minted = await admin('keys', 'mint', '--client', 'survivor', '--label', 'drill', '--scopes', scopes)
  const token = /wamcp_live_[a-z2-7]{28}/.exec(minted.stderr)?.[0]
  if (token === undefined) throw new Error('keys mint printed no key')
  return token
}

const screenSchema = z.object({ lines: z.array(z.object({ from: z.string(), text: z.string() })) })

/** What the customer sees of the answers that were pending. */
export async function pendingOnScreen(drill: Drill, standIn: StandIn): Promise<string[]> {
  const { stdout } = await drill.world.network.client(['curl', '-s', '--max-time', '5', standIn.phone])
  const { lines } = screenSchema.parse(JSON.parse(stdout))
  return lines.flatMap(({ text }) => (text.startsWith('before the loss: ') ? [text] : []))
}
