const SENSITIVE = /token|secret|signature|password/i
const REDACTED = '<redacted>'
/** Deeper than anything Meta sends; beyond it a recursion could exhaust the stack. */
const DEEPEST = 40
const TOO_DEEP = '<too deep>'

/**
 * A copy that may be stored: values under keys that sound like a secret are replaced, and so is what Postgres cannot hold (the
 * character NUL, halves of surrogate pairs). The answers of a flow, JSON inside a string, are treated alike.
 */
export function sanitise(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storable(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEEPEST) return TOO_DEEP
  if (Array.isArray(value)) return value.map((item) => sanitise(item, depth + 1))
  // fromEntries, because assigning to a key named __proto__ would not store it.
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storable(key), sanitiseField(key, item, depth + 1)]),
  )
}

function sanitiseField(key: string, value: unknown, depth: number): unknown {
  if (SENSITIVE.test(key)) return REDACTED
  if (key !== 'response_json' || typeof value !== 'string') return sanitise(value, depth)
  const answers = parseJson(value)
  return answers === undefined ? storable(value) : JSON.stringify(sanitise(answers, depth))
}

function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

/** `undefined` when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
