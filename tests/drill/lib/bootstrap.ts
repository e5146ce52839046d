import * as z from 'zod'
import type { Host } from './host.ts'
import { say } from './progress.ts'
import { tail } from './run.ts'

const state = z.enum(['ok', 'changed', 'differs', 'failed', 'skipped'])

/** What `bootstrap/run.sh --json` says about a run. */
const reportSchema = z.object({
  ok: z.boolean(),
  mode: z.string(),
  seconds: z.number(),
  changed: z.number(),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      state,
      changed: z.number(),
      seconds: z.number(),
      resources: z.array(z.object({ title: z.string(), state, seconds: z.number() })),
    }),
  ),
  failure: z
    .object({ step: z.string(), resource: z.string(), message: z.string(), next: z.string() })
    .optional(),
})

export type BootstrapReport = z.infer<typeof reportSchema>

export interface BootstrapRun {
  readonly code: number
  readonly stderr: string
  readonly stdout: string
  /** Wall clock, measured outside the host. */
  readonly seconds: number
  /** Absent when the run was refused or killed before it could report. */
  readonly report?: BootstrapReport
}

export const REPOSITORY = '/opt/whatsapp-mcp'
export const ANSWERS = '/root/answers.yaml'
/** On a tmpfs: a copy of the key on the disk would rightly be found by the canary scan. */
export const KEY_FILE = '/run/drill-age.key'

export interface BootstrapOptions {
  readonly args?: readonly string[]
  /** A program that starts the bootstrap, such as `systemd-run`. */
  readonly under?: readonly string[]
  readonly limit?: number
  readonly onLine?: (line: string) => void
}

/** Runs the bootstrap on the host as an operator would, with the answers and the key prepared there. */
export async function bootstrap(host: Host, options: BootstrapOptions = {}): Promise<BootstrapRun> {
  const given = options.args ?? ['--answers', ANSWERS, '--age-key-file', KEY_FILE]
  const argv = [...(options.under ?? []), `${REPOSITORY}/bootstrap/run.sh`, ...given, '--json']
  const result = await host.exec(argv, {
    limit: options.limit ?? 600,
    mayFail: true,
    ...(options.onLine ? { onLine: options.onLine } : {}),
  })
  const report = parseReport(result.stdout)
  const { code, stderr, stdout, seconds } = result
  return { code, stderr, stdout, seconds, ...(report ? { report } : {}) }
}

function parseReport(stdout: string): BootstrapReport | undefined {
  if (!stdout.trimStart().startsWith('{')) return undefined
  const parsed = reportSchema.safeParse(JSON.parse(stdout))
  return parsed.success ? parsed.data : undefined
}

/** @throws Error with the last lines of the run unless it succeeded. */
export function mustSucceed(run: BootstrapRun): BootstrapReport {
  if (run.code === 0 && run.report?.ok) return run.report
  const failure = run.report?.failure
  const where = failure ? ` at ${failure.step}, ${failure.resource}: ${failure.message}` : ''
  throw new Error(`bootstrap ended with ${run.code}${where}\n${tail(run.stderr.trim(), 40)}`)
}

/** Repeats the step lines of a running bootstrap in the drill's own progress. */
export const follow = (line: string): void => {
  if (/^(==>|<==)/.test(line)) say(`    ${line}`)
}
