import { messageOf } from '../lib/fail.ts'

export type Verdict = 'yes' | 'no' | 'not sure'

/** What a look found. */
export interface Finding {
  readonly verdict: Verdict
  /** What was seen, in a few words; no secret, no phone number. */
  readonly evidence: string
  /** The one next command, where the verdict is not yes. */
  readonly next?: string
}

/** One line of the production checklist. Looking changes nothing. */
export interface Check {
  /** Stable, for machines: `data.backup-fresh`. */
  readonly id: string
  /** What ought to be so, as a statement: "a backup is not older than a day". */
  readonly statement: string
  look(): Promise<Finding>
}

export interface Answer extends Finding {
  readonly id: string
  readonly statement: string
}

const SECONDS = 60

/** It is so. @param evidence what was seen */
export function yes(evidence: string): Finding {
  return { verdict: 'yes', evidence }
}

/** @param next the one next command */
export function no(evidence: string, next: string): Finding {
  return { verdict: 'no', evidence, next }
}

/** What cannot be found out. @param next the one next command */
export function notSure(evidence: string, next: string): Finding {
  return { verdict: 'not sure', evidence, next }
}

/** Looks everywhere at once. What cannot be found out is "not sure", never "yes". */
export function examine(checks: readonly Check[]): Promise<Answer[]> {
  return Promise.all(
    checks.map(async ({ id, statement, look }) => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<Finding>((resolve) => {
        timer = setTimeout(
          () => resolve(notSure(`no answer within ${SECONDS} s`, 'npx zx scripts/doctor.ts')),
          SECONDS * 1000,
        )
      })
      const found = look().catch((error: unknown) =>
        notSure(messageOf(error).split('\n')[0] ?? '', 'look at the error, then run the doctor again'),
      )
      try {
        return { id, statement, ...(await Promise.race([found, late])) }
      } finally {
        clearTimeout(timer)
      }
    }),
  )
}
