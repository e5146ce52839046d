import { closeAuditSegment } from '../audit/archive.ts'
import type { Database } from '../db/pool.ts'
import { removeOldMedia } from '../media/retention.ts'
import { collectGarbage } from './crons/collect-garbage.ts'
import { removeOldMessages } from './crons/messages-retention.ts'
import { requestTemplates } from './crons/request-templates.ts'
import type { Cron } from './job.ts'

/** What happens by the clock. */
export function createCrons(o: {
  sql: Database
  mediaRoot: string
  auditDir: string
  /** Days after which messages and media are forgotten. */
  retention: { readonly messagesDays: number; readonly mediaDays: number }
}): readonly Cron[] {
  const { sql, mediaRoot: root, auditDir: dir, retention } = o
  return [
    {
      id: 'audit-archive',
      schedule: '0 * * * *',
      run: async ({ log }) => void (await closeAuditSegment({ sql, dir, log })),
    },
    {
      id: 'messages-retention',
      schedule: '17 3 * * *',
      run: ({ log }) => removeOldMessages({ sql, days: retention.messagesDays, log }),
    },
    {
      id: 'media-retention',
      schedule: '37 3 * * *',
      run: async ({ log }) => void (await removeOldMedia({ sql, root, days: retention.mediaDays, log })),
    },
    { id: 'rate-limit-gc', schedule: '47 * * * *', run: ({ log }) => collectGarbage({ sql, log }) },
    { id: 'templates-sync', schedule: '7 4 * * *', run: () => requestTemplates(sql) },
  ]
}
