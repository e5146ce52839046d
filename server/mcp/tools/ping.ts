import * as z from 'zod'
import { VERSION } from '../../version.ts'
import type { Tool } from '../tool.ts'

const input = z.strictObject({})
const output = z.object({ ok: z.literal(true), ts: z.string(), version: z.string() })

/** Tells a client that its key and the way here work. */
export const ping: Tool<typeof input, typeof output> = {
  name: 'ping',
  title: 'Ping',
  description: 'Checks that the server answers; returns its time and version.',
  input,
  output,
  readOnly: true,
  run: () => ({ ok: true, ts: new Date().toISOString(), version: VERSION }),
}
