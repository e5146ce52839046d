import { paint } from '../lib/cli.ts'
import type { Answer, Verdict } from './check.ts'

const MARKS: Readonly<Record<Verdict, readonly [colour: string, mark: string]>> = {
  yes: ['32', '✓'],
  no: ['31', '✗'],
  'not sure': ['33', '?'],
}

/** The answers for a person: grouped, and what is not a yes with the next command. */
export function formatAnswers(answers: readonly Answer[]): string {
  const lines: string[] = []
  for (const [group, members] of Map.groupBy(answers, ({ id }) => id.split('.')[0] ?? '')) {
    lines.push(group)
    for (const { verdict, statement, evidence, next } of members) {
      lines.push(`  ${paint(...MARKS[verdict])} ${statement}: ${evidence}`)
      if (next !== undefined) lines.push(`      next: ${next}`)
    }
  }
  const count = (verdict: Verdict) => answers.filter((answer) => answer.verdict === verdict).length
  return `${lines.join('\n')}\n\n${count('yes')} yes, ${count('no')} no, ${count('not sure')} not sure`
}

/** Answers whose verdict is another than before; one that was never asked counts as changed when it is not a yes. */
export function changed(now: readonly Answer[], before: Readonly<Record<string, Verdict>>): Answer[] {
  return now.filter(({ id, verdict }) => verdict !== (before[id] ?? 'yes'))
}
