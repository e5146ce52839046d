import * as z from 'zod'

/** What every failed call carries, as {@link ToolError} has it. Said in full it would stand in every tool, before every model. */
const FAILURE = { type: 'object', properties: { error: { type: 'object' } }, required: ['error'] }

/**
 * The output schema as clients are told it: a success or a failure. Clients that know the success alone would throw the error
 * away, for SDK 1.x holds the structured content of a failed call against the schema too.
 */
export function advertise(output: z.ZodObject): { type: 'object' } {
  return { type: 'object', anyOf: [plain(output), FAILURE] } as { type: 'object' }
}

function plain(schema: z.ZodObject): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema)
  return rest
}
