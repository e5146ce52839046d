import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { runSteps } from '../../../bootstrap/lib/engine.ts'
import type { Reporter } from '../../../bootstrap/lib/report.ts'
import type { Resource, Step } from '../../../bootstrap/lib/resource.ts'
import { Fail } from '../../../scripts/lib/fail.ts'
import { recorder, testContext } from './recorder.ts'

const silent: Reporter = {
  stepStarted() {},
  stepEnded() {},
  resourceStarted() {},
  resourceEnded() {},
  close() {},
}
const context = testContext(recorder().shell)

/** A resource that differs until applied, and writes down what happens to it. */
function fake(
  title: string,
  events: string[],
  o: { needs?: string[]; takes?: number; fails?: Error; done?: boolean } = {},
): Resource {
  let done = o.done ?? false
  return {
    title,
    ...(o.needs === undefined ? {} : { needs: o.needs }),
    inspect: async () => (done ? undefined : `${title} differs`),
    async apply() {
      events.push(`${title} starts`)
      await sleep(o.takes ?? 0)
      if (o.fails) throw o.fails
      done = true
      events.push(`${title} ends`)
    },
  }
}

function step(id: string, resources: Resource[], verify?: () => Promise<void>): Step {
  return { id, title: id, host: () => resources, local: () => [], ...(verify ? { verify } : {}) }
}

describe('runSteps', () => {
  it('applies what differs, leaves the rest, and changes nothing the second time', async () => {
    const events: string[] = []
    const steps = [step('00-a', [fake('one', events), fake('two', events, { done: true })])]
    const first = await runSteps(steps, context, silent, { plan: false })
    expect(first.steps[0]).toMatchObject({ state: 'changed', changed: 1 })
    expect(events).toEqual(['one starts', 'one ends'])
    const second = await runSteps(steps, context, silent, { plan: false })
    expect(second.steps[0]).toMatchObject({ state: 'ok', changed: 0 })
    expect(events).toHaveLength(2)
  })

  it('touches nothing in a plan and says what differs', async () => {
    const events: string[] = []
    let verified = false
    const verify = async () => {
      verified = true
    }
    const run = await runSteps([step('00-a', [fake('one', events)], verify)], context, silent, { plan: true })
    expect(run).toMatchObject({ ok: true, steps: [{ state: 'differs', changed: 0 }] })
    expect(run.steps[0]?.resources[0]).toMatchObject({ state: 'differs', difference: 'one differs' })
    expect({ events, verified }).toEqual({ events: [], verified: false })
  })

  it('starts a resource with needs beside the steps before it, and waits for it in its own', async () => {
    const events: string[] = []
    const steps = [
      step('00-a', [fake('engine', events), fake('slow', events, { takes: 40 })]),
      step('40-b', [
        fake('images', events, { needs: ['engine'], takes: 10 }),
        fake('start', events, { needs: ['images'] }),
      ]),
    ]
    const run = await runSteps(steps, context, silent, { plan: false })
    expect(run.ok).toBe(true)
    expect(events.indexOf('images starts')).toBeLessThan(events.indexOf('slow ends'))
    expect(events.indexOf('start starts')).toBeGreaterThan(events.indexOf('images ends'))
  })

  it('stops everything that has not started when one fails, and names step, resource and next command', async () => {
    const events: string[] = []
    const failing = new Fail('the mirror is down', { next: 'apt-get update' })
    const steps = [
      step('00-a', [fake('one', events, { fails: failing }), fake('two', events)]),
      step('10-b', [fake('three', events)]),
    ]
    const run = await runSteps(steps, context, silent, { plan: false })
    expect(events).toEqual(['one starts'])
    expect(run.failure).toEqual({
      step: '00-a',
      resource: 'one',
      message: 'the mirror is down',
      next: 'apt-get update',
    })
    expect(run.steps.map(({ state }) => state)).toEqual(['failed', 'skipped'])
  })

  it('fails when a resource still differs after it was applied', async () => {
    const stubborn: Resource = { title: 'stubborn', inspect: async () => 'as before', apply: async () => {} }
    const run = await runSteps([step('00-a', [stubborn])], context, silent, { plan: false })
    expect(run.failure?.message).toBe('it still differs after it was applied: as before')
  })

  it('runs the verification of a step last, and fails with it', async () => {
    const steps = [step('50-smoke', [], () => Promise.reject(new Fail('health: 503', { next: 'look' })))]
    const run = await runSteps(steps, context, silent, { plan: false })
    expect(run).toMatchObject({
      ok: false,
      failure: { step: '50-smoke', resource: 'verification', message: 'health: 503' },
    })
  })
})
