import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { beginSnapshot, figures } from './figures.ts'
import type { Figures, Manifest } from './manifest.ts'
import { dump, guarded, type PostgresTools, readThrough, type ToolOptions } from './postgres.ts'
import { openSession, type Session } from './session.ts'
import { type Written, writeHashed } from './write-hashed.ts'

export interface Dumped extends Written {
  readonly database: Figures
  /** what the database says is stored, in the same snapshot */
  readonly media: Manifest['media']
}

/**
 * Dumps a database and counts it, side by side and in one snapshot. While the dump is written it is also read through by
 * pg_restore, and the finished file is read again: what this returns can be restored.
 * @param path of a file that does not exist yet
 * @throws {Fail} when any part fails; the file is then of no use
 */
export function makeDump(tools: PostgresTools, path: string, o: ToolOptions = {}): Promise<Dumped> {
  return guarded(tools, (labelled) => dumpAndCount(labelled, path, o))
}

async function dumpAndCount(tools: PostgresTools, path: string, o: ToolOptions): Promise<Dumped> {
  const stop = new AbortController()
  const options = { ...o, signal: o.signal ? AbortSignal.any([o.signal, stop.signal]) : stop.signal }
  const keeper = openSession(tools, options)
  const running: Promise<unknown>[] = []
  const beside = <T>(work: Promise<T>): Promise<T> => {
    running.push(work)
    return work
  }
  try {
    await beginSnapshot(keeper)
    const [[snapshot = null] = []] = await keeper.query('select pg_export_snapshot()')
    if (snapshot === null) throw new Error('the database exported no snapshot')
    const counter = openSession(tools, options)
    // A helper of a query would not have the priority of the connection it helps.
    const alone = counter.query('set max_parallel_workers_per_gather = 0')
    const asked = storedMedia(keeper)
    const begun = async () => {
      await Promise.all([alone, asked])
      await giveWay(keeper, tools)
    }
    const [written, database, media] = await Promise.all([
      beside(write(tools, snapshot, path, options, begun)),
      beside(alone.then(() => figures(counter, snapshot))),
      beside(asked),
    ])
    await Promise.all([keeper.end(), counter.end()])
    return { ...written, database, media }
  } catch (error) {
    stop.abort()
    throw error
  } finally {
    // Nothing may still be writing when the caller removes the directory.
    await Promise.allSettled(running)
  }
}

/** @param begun is called once the dump has its connection */
async function write(
  tools: PostgresTools,
  snapshot: string,
  path: string,
  o: ToolOptions,
  begun: () => Promise<void>,
) {
  const reader = readThrough(tools, o)
  const dumping = dump(tools, snapshot, o)
  const writing = writeHashed(dumping.stdout, path, reader.stdin)
  reader.stdout.resume()
  const first = Promise.race([once(dumping.stdout, 'readable'), dumping.done]).then(begun)
  try {
    // An end of the stream alone proves nothing.
    const [written] = await Promise.all([writing, dumping.done, reader.done, first])
    return written
  } catch (error) {
    // A full disk also breaks the pipes, and the programs' own ends may be heard of first.
    await Promise.race([writing, sleep(1000)])
    throw error
  } finally {
    await Promise.allSettled([writing, dumping.done, reader.done, first])
  }
}

/** Lowers the priority of all connections of this work: whoever else asks the database comes first. */
async function giveWay(session: Session, { label = '' }: PostgresTools): Promise<void> {
  // Within a transaction the list of connections stays what it was when it was first asked for.
  await session.query('select pg_stat_clear_snapshot()')
  await session.query(
    `select pid from pg_stat_activity where application_name = '${label}' \\g | xargs renice -n 19 -p >/dev/null`,
  )
}

async function storedMedia(session: Session): Promise<Manifest['media']> {
  const [[files, bytes] = []] = await session.query(
    `select count(*), coalesce(sum(size_bytes), 0) from media_objects where status = 'stored'`,
  )
  return { files: Number(files), bytes: Number(bytes) }
}
