import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { MediaFiles } from './files.ts'

const AT_ONCE = 500

/**
 * Removes files older than `days`. Their rows stay, without name and place, so that a message still says what came with it.
 * The file goes first: a crash in between leaves a row to try again, never a file nobody knows of.
 *
 * @returns how many files were removed.
 */
export async function removeOldMedia(o: {
  sql: Database
  root: string
  days: number
  log: Logger
}): Promise<number> {
  const files = new MediaFiles(o.root)
  let removed = 0
  for (;;) {
    const batch = await o.sql<{ id: string; place: string }[]>`
      select id, storage_path as place from media_objects
      where status = 'stored' and created_at < now() - make_interval(days => ${o.days})
      order by created_at limit ${AT_ONCE}`
    if (batch.length === 0) break
    for (const { place } of batch) await files.remove(place)
    await o.sql`
      update media_objects set status = 'deleted', deleted_at = now(), storage_path = null, filename = null
      where id in ${o.sql(batch.map(({ id }) => id))}`
    removed += batch.length
  }
  if (removed > 0) o.log.info({ removed }, 'media_removed')
  return removed
}
