import * as z from 'zod'
import type { Database } from '../db/pool.ts'
import type { Job } from '../jobs/job.ts'
import { NonRetriable } from '../jobs/job.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'

const listed = z.object({
  id: z.string(),
  name: z.string(),
  language: z.string(),
  category: z.string(),
  status: z.string(),
  parameter_format: z.string().default('POSITIONAL'),
  components: z.array(z.unknown()).default([]),
  quality_score: z.object({ score: z.string().optional() }).optional().catch(undefined),
  rejected_reason: z.string().nullish(),
})

/** Makes our copy of a business account's templates what Meta has. */
export function createTemplatesJob(o: {
  sql: Database
  graph: Graph
  numbers: Numbers
}): Job<'wa/templates.sync.requested'> {
  return { id: 'sync-templates', event: 'wa/templates.sync.requested', retries: 5, concurrency: 1, run }

  async function run({ wabaId }: { wabaId: string }): Promise<void> {
    const candidates = (await o.numbers.all()).filter(
      (one) => one.wabaId === wabaId && one.disabledAt === null,
    )
    const number = candidates.find((one) => one.pausedAt === null && o.numbers.tokenOf(one) !== undefined)
    if (number === undefined) throw new NonRetriable('no number of the business account can be asked')
    const since = new Date()
    const templates = z.array(listed).parse(await o.graph.listTemplates(number))
    const rows = templates.map(({ quality_score, ...rest }) => ({
      ...rest,
      quality: quality_score?.score ?? null,
    }))
    await o.sql.begin(async (tx) => {
      await tx`
        insert into templates (wa_business_account_id, wa_template_id, name, language, category, status, parameter_format,
          components, quality, rejected_reason, synced_at)
        select ${wabaId}, id, name, language, category, status, parameter_format, components, quality,
          nullif(rejected_reason, 'NONE'), now()
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as row (id text, name text, language text,
          category text, status text, parameter_format text, components jsonb, quality text, rejected_reason text)
        order by name, language
        on conflict (wa_business_account_id, name, language) do update set wa_template_id = excluded.wa_template_id,
          category = excluded.category, status = excluded.status, parameter_format = excluded.parameter_format,
          components = excluded.components, quality = excluded.quality, rejected_reason = excluded.rejected_reason,
          synced_at = excluded.synced_at`
      // One that was made while we asked is not gone.
      await tx`
        update templates set status = 'DELETED'
        where wa_business_account_id = ${wabaId} and synced_at < ${since} and status <> 'DELETED'`
    })
  }
}
