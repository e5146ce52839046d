/** What Graph will be given, as `messages.payload` has it: `{ type, [type]: … }`. */
export type SentPayload = Readonly<Record<string, unknown>>

type Open = Record<string, unknown>

/** Whether the file of the message already has Meta's id. */
export function holdsMediaId(payload: SentPayload): boolean {
  return typeof slotOf(payload)?.id === 'string'
}

/**
 * The payload with Meta's id of the file where it belongs: in the media object itself, or in that of the header of a
 * template or an interactive message.
 *
 * @throws Error when the message has no place for a file.
 */
export function withMediaId(payload: SentPayload, id: string): SentPayload {
  const copy = structuredClone(payload)
  const slot = slotOf(copy)
  if (slot === undefined) throw new Error('the message has no place for a file')
  slot.id = id
  return copy
}

function slotOf(payload: SentPayload): Open | undefined {
  const content = objectIn(payload, payload.type)
  if (payload.type === 'interactive') {
    const header = objectIn(content, 'header')
    return objectIn(header, header?.type)
  }
  if (payload.type !== 'template') return content
  const components = Array.isArray(content?.components) ? content.components.filter(isObject) : []
  const header = components.find(({ type }) => type === 'header')
  const [parameter] = Array.isArray(header?.parameters) ? header.parameters.filter(isObject) : []
  return objectIn(parameter, parameter?.type)
}

function objectIn(holder: SentPayload | undefined, key: unknown): Open | undefined {
  const value = typeof key === 'string' ? holder?.[key] : undefined
  return isObject(value) ? value : undefined
}

function isObject(value: unknown): value is Open {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
