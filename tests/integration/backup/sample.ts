import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { HOST_PATHS } from '../../../scripts/backup/host-files.ts'
import type { BackupSet } from '../../../scripts/backup/layout.ts'
import { openSet } from '../../../scripts/backup/layout.ts'
import { makeSet } from '../../../scripts/backup/set.ts'
import { Secret } from '../../../secrets/secret.ts'
import type { Database } from '../../../server/db/pool.ts'
import { addClient, addContact, addGrant, addInbound, addNumber } from '../server/fixtures.ts'
import type { StandIn } from './standin.ts'

export const KEY = new Secret('5f'.repeat(32))

/** A conversation, three messages that wait to be sent, and one whose sending had begun. */
export async function addSample(sql: Database): Promise<void> {
  const client = await addClient(sql, 'desk')
  const number = await addNumber(sql, client)
  await addGrant(sql, client, number)
  const contact = await addContact(sql, number)
  for (let n = 0; n < 200; n++) await addInbound(sql, number, client, contact, { body: `hello ${n} ünïcode` })
  for (const state of ['queued', 'queued', 'queued', 'sending']) {
    const [row] = await sql<{ id: string }[]>`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, payload, status)
      values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', 'pending', '{"type":"text","text":{"body":"x"}}', ${state})
      returning id`
    const data = JSON.stringify({ messageId: row?.id })
    await sql`insert into outbox (name, data, concurrency_key)
      values ('wa/message.send.requested', ${data}::text::jsonb, ${number.id})`
  }
}

/** Where sets are made, outside of the system's own place. */
export function setsDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'sets-'))
}

/** A real set of the stand-in's live database. @param now must differ from one set to the next by a second */
export async function makeSample(standIn: StandIn, directory: string, now: Date): Promise<BackupSet> {
  const root = await mkdtemp(join(tmpdir(), 'host-'))
  for (const path of HOST_PATHS) {
    await mkdir(join(root, dirname(path)), { recursive: true })
    await writeFile(join(root, path), 'x')
  }
  const { manifest } = await makeSet({
    tools: { ...standIn.tools, user: 'wa_backup' },
    directory,
    key: KEY,
    recipient: await identityToRecipient(await generateX25519Identity()),
    allowShrink: true,
    facts: async () => ({ commit: 'c0ffee'.padEnd(40, '0'), host: 'test', images: {} }),
    progress: () => {},
    root,
    now,
  })
  await rm(root, { recursive: true })
  return openSet(directory, manifest.name, KEY)
}
