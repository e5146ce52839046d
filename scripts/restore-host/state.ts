import { mkdir, rm } from 'node:fs/promises'
import * as z from 'zod'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'

/** Everything a recovery needs on disk until it has succeeded: its state, the dump, sealed media. */
export const WORK = '/var/lib/whatsapp-mcp/recovery'
const FILE = `${WORK}/state.json`

const schema = z.strictObject({
  version: z.literal(1),
  /** when the first attempt began */
  started: z.iso.datetime(),
  /** the set whose host files were put in place */
  set: z.string().optional(),
  /** once the restored database has taken its name; from then on new rows may have come */
  database: z
    .strictObject({ set: z.string(), rows: z.number(), held: z.number(), unknown: z.number() })
    .optional(),
})

/** How far this command has come on this host. While it exists, what is on the host is our own unfinished work. */
export type State = z.infer<typeof schema>

/** @throws Error when the file is not ours */
export async function readState(): Promise<State | undefined> {
  const text = await readIfThere(FILE)
  if (text === undefined) return undefined
  const parsed = schema.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  throw new Error(
    `${FILE} was written by another version of this command. Finish with that one, or start from a bare host.`,
  )
}

/** In one step: a run that is killed leaves the state before, or this one. */
export async function writeState(state: State): Promise<void> {
  await mkdir(WORK, { recursive: true, mode: 0o700 })
  await writeAtomically(FILE, `${JSON.stringify(state, undefined, 2)}\n`, 0o600)
}

/** The end of a recovery: neither the dump nor anything else of it stays. */
export async function removeWork(): Promise<void> {
  await rm(WORK, { recursive: true, force: true })
}
