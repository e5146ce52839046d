/** Columns as wide as their widest cell; numbers and words alike to the left. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [head, ...rows].map(line).join('\n')
}

/** `2027-01-31`, or `-` for never. */
export function day(date: Date | null): string {
  return date?.toISOString().slice(0, 10) ?? '-'
}

/** `2027-01-31 12:00:00`, UTC. */
export function moment(date: Date | null): string {
  return date?.toISOString().slice(0, 19).replace('T', ' ') ?? '-'
}
