import * as z from 'zod'
import { readAnnotations, tool } from '../mcp/tool.ts'
import { VERSION } from '../version.ts'

/** Tells a client that its key and the way here work. */
export const ping = tool({
  name: 'ping',
  title: 'Ping',
  description: 'Checks that the server answers; returns its time and version.',
  input: z.strictObject({}),
  output: z.object({ ok: z.literal(true), ts: z.string(), version: z.string() }),
  verb: null,
  subject: 'none',
  annotations: readAnnotations,
  run: () => ({ ok: true as const, ts: new Date().toISOString(), version: VERSION }),
})
