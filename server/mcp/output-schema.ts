import * as z from 'zod'

/** What every failed call carries; see {@link ToolError}. */
const failure = z.looseObject({
  error: z.looseObject({
    code: z.string(),
    category: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    retry_after_s: z.number().nullable(),
    hint: z.string(),
  }),
})
const FAILURE = plain(failure)

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
