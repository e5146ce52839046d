const EVERY_MS = 5000

/** Tells how far a transfer is, in lines that do not follow each other too fast. */
export function transferLines(
  tell: (line: string) => void,
): (what: string, done: number, total: number) => void {
  let [last, at] = ['', 0]
  return (what, done, total) => {
    if (what === last && Date.now() - at < EVERY_MS) return
    ;[last, at] = [what, Date.now()]
    tell(`${what}: ${megabytes(done)} of ${megabytes(total)} MB sent`)
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
