import { Fail, messageOf } from '../../scripts/lib/fail.ts'
import type { Context } from './context.ts'
import type { Reporter } from './report.ts'
import type { Resource, Step } from './resource.ts'

export type State = 'ok' | 'changed' | 'differs' | 'failed' | 'skipped'

export interface ResourceResult {
  title: string
  state: State
  seconds: number
  /** What differed, in words. */
  difference?: string
}

export interface StepResult {
  id: string
  title: string
  state: State
  changed: number
  seconds: number
  resources: ResourceResult[]
}

export interface RunResult {
  ok: boolean
  steps: StepResult[]
  failure?: { step: string; resource: string; message: string; next: string; output?: string }
}

/** Thrown inside the engine to wind down what must not start after a failure. */
class Stopped extends Error {}

/**
 * Runs the steps: inspects each resource and, unless `plan` is set, applies what differs and inspects again.
 * Resources run one after another; one with `needs` starts as soon as those are done, beside the others.
 * Never rejects for a failing resource: the first failure stops everything that has not started, and is returned.
 */
export async function runSteps(
  steps: readonly Step[],
  context: Context,
  reporter: Reporter,
  o: { plan: boolean },
): Promise<RunResult> {
  const run: RunResult = { ok: true, steps: [] }
  const done = new Map<string, Promise<void>>()
  const ends: Promise<void>[] = []
  let before: Promise<void> = Promise.resolve()

  const fail = (step: Step, resource: string, error: unknown) => {
    if (error instanceof Stopped || run.failure !== undefined) return
    run.ok = false
    run.failure = describe(step.id, resource, error)
    context.log.line(error instanceof Fail ? `failed: ${error.message}` : `failed: ${(error as Error).stack}`)
  }

  for (const step of steps) {
    const result: StepResult = {
      id: step.id,
      title: step.title,
      state: 'skipped',
      changed: 0,
      seconds: 0,
      resources: [],
    }
    run.steps.push(result)
    let started = 0
    const begin = before.then(() => {
      if (run.failure !== undefined) throw new Stopped()
      started = performance.now()
      reporter.stepStarted(step)
    })
    let previous = begin
    const tasks: Promise<void>[] = []
    for (const resource of step[context.mode](context)) {
      const entry: ResourceResult = { title: resource.title, state: 'skipped', seconds: 0 }
      result.resources.push(entry)
      const waits = resource.needs?.flatMap((title) => done.get(title) ?? []) ?? [previous]
      const task = Promise.all(waits)
        .then(() => {
          if (run.failure !== undefined) throw new Stopped()
          return establish(resource, entry, reporter, o.plan)
        })
        .catch((error: unknown) => {
          fail(step, resource.title, error)
          throw error
        })
      task.catch(() => undefined)
      done.set(resource.title, task)
      tasks.push(task)
      if (resource.needs === undefined) previous = task
    }
    const end = Promise.all([begin, ...tasks])
      .then(() => (o.plan ? undefined : step.verify?.(context)))
      .catch((error: unknown) => fail(step, 'verification', error))
      .then(() => {
        result.changed = result.resources.filter((r) => r.state === 'changed').length
        result.state = summarise(result, run, step)
        if (started === 0) return
        result.seconds = elapsed(started)
        reporter.stepEnded(result)
      })
    ends.push(end)
    before = end
  }
  await Promise.all(ends)
  await Promise.allSettled(done.values())
  return run
}

async function establish(
  resource: Resource,
  entry: ResourceResult,
  reporter: Reporter,
  plan: boolean,
): Promise<void> {
  const started = performance.now()
  try {
    const difference = await resource.inspect()
    entry.state = 'ok'
    if (difference === undefined) return
    entry.difference = difference
    entry.state = 'differs'
    if (plan) return
    entry.state = 'failed'
    reporter.resourceStarted(resource.title, difference)
    await resource.apply()
    const left = await resource.inspect()
    if (left !== undefined)
      throw new Fail(`it still differs after it was applied: ${left}`, { next: 'see the log named below' })
    entry.state = 'changed'
  } finally {
    entry.seconds = elapsed(started)
    reporter.resourceEnded(entry)
  }
}

function summarise(result: StepResult, run: RunResult, step: Step): State {
  if (run.failure?.step === step.id) return 'failed'
  if (result.resources.some((r) => r.state === 'skipped') || run.failure !== undefined) return 'skipped'
  if (result.resources.some((r) => r.state === 'differs')) return 'differs'
  return result.changed > 0 ? 'changed' : 'ok'
}

function describe(step: string, resource: string, error: unknown): NonNullable<RunResult['failure']> {
  const known = error instanceof Fail
  return {
    step,
    resource,
    message: messageOf(error),
    next: known ? error.next : 'this looks like a defect: please report it with the log',
    ...(known && error.output ? { output: error.output } : {}),
  }
}

function elapsed(since: number): number {
  return Math.round((performance.now() - since) / 10) / 100
}
