/** Splits files into runs that stay below both limits; a file above the limit is a batch of its own. */
export function batches<T extends { readonly bytes: number }>(
  files: readonly T[],
  limit: { readonly bytes: number; readonly files: number },
): T[][] {
  const all: T[][] = []
  let current: T[] = []
  let bytes = 0
  for (const file of files) {
    if (current.length > 0 && (bytes + file.bytes > limit.bytes || current.length >= limit.files)) {
      all.push(current)
      current = []
      bytes = 0
    }
    current.push(file)
    bytes += file.bytes
  }
  if (current.length > 0) all.push(current)
  return all
}

/** Does `act` for each item, several at a time. After the first failure no further one is begun. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  let failed = false
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failed) return
      try {
        await act(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: atOnce }, worker))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure) throw failure.reason
}

/**
 * Uses prepared things in order, the next one in preparation while one is used. When it throws, nothing runs any more.
 */
export async function ahead<T, P>(
  items: readonly T[],
  prepare: (item: T) => Promise<P>,
  use: (item: T, prepared: P) => Promise<void>,
): Promise<void> {
  let coming: Promise<P> | undefined
  try {
    for (const [index, item] of items.entries()) {
      const prepared = await (coming ?? prepare(item))
      const next = items[index + 1]
      coming = next === undefined ? undefined : prepare(next)
      // Its failure is reported when its turn comes.
      coming?.catch(() => undefined)
      await use(item, prepared)
    }
  } finally {
    await coming?.catch(() => undefined)
  }
}
