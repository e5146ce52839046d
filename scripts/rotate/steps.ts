import { paint, printJson, tell } from '../lib/cli.ts'
import { Fail, messageOf } from '../lib/fail.ts'
import { takeLock } from '../lib/lock.ts'
import { type Host, thisHost, uncommitted } from './host.ts'

/** Brings one thing into its new state. Done already, it does nothing: so an interrupted rotation is simply run again. */
export interface Change {
  readonly title: string
  /** Without side effects: `undefined` when it is done, else what is left to do, in words. */
  inspect(): Promise<string | undefined>
  apply(): Promise<void>
}

/** Shows that it works, each time anew. */
export interface Proof {
  readonly title: string
  /** @returns what was seen. @throws Fail when it is not so */
  prove(): Promise<string>
}

export type Step = Change | Proof

export interface Rotation {
  readonly steps: readonly Step[]
  /** What is left to a person, asked for when all is done. */
  notes?(): Promise<readonly string[]>
}

export interface Done {
  readonly title: string
  readonly state: 'changed' | 'already' | 'proved'
  readonly detail?: string
  readonly seconds: number
}

/**
 * Takes the steps in order.
 * @param onDone told after each
 * @throws whatever a step throws; Fail for a change that is not there after it was made
 */
export async function perform(
  steps: readonly Step[],
  onDone: (done: Done) => void,
  onStart: (title: string) => void = () => {},
): Promise<void> {
  for (const step of steps) {
    const started = performance.now()
    const end = (state: Done['state'], detail?: string) => {
      const seconds = Math.round(performance.now() - started) / 1000
      onDone({ title: step.title, state, seconds, ...(detail !== undefined && { detail }) })
    }
    if ('prove' in step) {
      onStart(step.title)
      end('proved', await step.prove())
      continue
    }
    if ((await step.inspect()) === undefined) {
      end('already')
      continue
    }
    onStart(step.title)
    await step.apply()
    const left = await step.inspect()
    if (left !== undefined) {
      throw new Fail(`${step.title}: still to do after it was done: ${left}`, {
        next: 'run the same command again',
      })
    }
    end('changed')
  }
}

/**
 * Runs a rotation on this host, one at a time, telling each step; the last lines say what is left to a person.
 * @param locks further ones it must have, such as `database`
 */
export async function rotate(
  o: { readonly verb: string; readonly json: boolean; readonly locks?: readonly string[] },
  plan: (host: Host) => Promise<Rotation>,
): Promise<void> {
  const host = await thisHost()
  const locks = []
  const done: Done[] = []
  try {
    for (const name of ['bootstrap', ...(o.locks ?? [])])
      locks.push(await takeLock(name, 'something that must not run beside a rotation is at work'))
    const { steps, notes } = await plan(host)
    await perform(
      steps,
      (step) => {
        done.push(step)
        tell(lineOf(step))
      },
      (title) => tell(`  … ${title}`),
    )
    const left = [...((await notes?.()) ?? []), ...(await remindOfCommit(host, o.verb))]
    for (const note of left) tell(`\n${paint('33', 'next')}  ${note}`)
    if (o.json) printJson({ ok: true, verb: o.verb, steps: done, next: left })
  } catch (error) {
    const next = error instanceof Fail ? error.next : undefined
    if (o.json)
      printJson({ ok: false, verb: o.verb, steps: done, error: { message: messageOf(error), next } })
    throw error
  } finally {
    for (const lock of locks) await lock.release()
  }
}

function lineOf({ title, state, detail, seconds }: Done): string {
  if (state === 'already') return `  ${paint('2', `= ${title}: done already`)}`
  return `  ${paint('32', '✓')} ${title}${detail === undefined ? '' : `: ${detail}`} ${paint('2', `(${seconds.toFixed(1)} s)`)}`
}

async function remindOfCommit(host: Host, verb: string): Promise<string[]> {
  const files = await uncommitted(host)
  if (files.length === 0) return []
  const git = `git -C ${host.root}`
  return [
    `This checkout alone knows the new value: a pull, reset or stash here would bring the old one back. Keep it: ` +
      `${git} commit -m "Rotate ${verb}" ${files.join(' ')} && ${git} push; ` +
      'where this host may not push, copy the same files into another checkout and commit them there.',
  ]
}
