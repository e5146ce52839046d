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
