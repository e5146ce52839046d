import { ToolError } from '../mcp/tool-error.ts'
import { explainMetaError } from '../meta/explain.ts'
import { MetaError } from '../meta/graph.ts'

/** Runs a call to Meta that a tool waits for; what Meta says against it becomes an error for the model. @throws ToolError */
export async function orRefusal<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (!(error instanceof MetaError)) throw error
    const { code, details, retryClass, retryAfterS } = error
    const { category, reason, remedy } = explainMetaError(code)
    throw new ToolError(reason, {
      code: code < 0 ? 'meta_unreachable' : `meta_${code}`,
      category,
      retryable: retryClass === 'retry' || retryClass === 'ambiguous',
      retryAfterS,
      hint: category === 'temporary' ? 'Try again in a little while.' : remedy,
      data: { details },
    })
  }
}
