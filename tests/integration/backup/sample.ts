import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type BackupSet, openSet } from '../../../scripts/backup/layout.ts'
import { makeSet } from '../../../scripts/backup/set.ts'
import type { Database } from '../../../server/db/pool.ts'
import { addClient, addContact, addGrant, addInbound, addNumber } from '../server/fixtures.ts'
import { hostRoot } from './host-root.ts'
import { KEY, requestFor } from './request.ts'
import type { StandIn } from './stand-in.ts'

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

/** A real set of the stand-in's live database. @param now must differ from one set to the next by a second */
export async function makeSample(standIn: StandIn, directory: string, now: Date): Promise<BackupSet> {
  const home = await mkdtemp(join(tmpdir(), 'backup-sample-'))
  try {
    const root = await hostRoot(home)
    const recipient = await identityToRecipient(await generateIdentity())
    const request = requestFor({ tools: standIn.tools(), directory, recipient, root, now, allowShrink: true })
    const { manifest } = await makeSet(request)
    return await openSet(directory, manifest.name, KEY)
  } finally {
    await rm(home, { recursive: true })
  }
}
