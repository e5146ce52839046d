import type { Stack } from './stack.ts'

/** One figure with its bar. */
export interface Measure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bar: { readonly atMost: number } | { readonly atLeast: number }
  /** What the figure was made of, for people. */
  readonly detail: string
}

/** What one run can be asked for by name. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** @param openStack A stack with a database of its own, so that no subject inherits the rows of another. It is stopped afterwards. */
  run(openStack: () => Promise<Stack>): Promise<readonly Measure[]>
}

export function isMet({ value, bar }: Measure): boolean {
  return 'atMost' in bar ? value <= bar.atMost : value >= bar.atLeast
}
