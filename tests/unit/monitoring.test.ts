import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { registry } from '../../server/metrics/metrics.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, 'docs/monitoring', path), 'utf8')

const alerts = z
  .object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            alert: z.string(),
            expr: z.string(),
            labels: z.object({ severity: z.enum(['page', 'ticket']) }),
            annotations: z.object({ summary: z.string(), runbook: z.string() }),
          }),
        ),
      }),
    ),
  })
  .parse(parse(read('alerts.yaml')))
const rules = alerts.groups.flatMap((group) => group.rules)
const dashboard = z
  .object({
    panels: z.array(
      z.object({ id: z.number(), title: z.string(), targets: z.array(z.object({ expr: z.string() })) }),
    ),
  })
  .parse(JSON.parse(read('dashboard.json')))

const metrics = new Map<string, ReadonlySet<string>>()
for (const metric of registry.getMetricsAsArray()) {
  const labels =
    'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : []
  metrics.set(metric.name, new Set(labels))
}

/** Metrics and the labels an expression asks of them. */
function asked(expr: string): { name: string; labels: string[] }[] {
  return [...expr.matchAll(/\b(wa_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = '', matchers = '']) => ({
    name: metrics.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
    labels: [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1] ?? ''),
  }))
}

const expressions = [
  ...rules.map((rule) => [rule.alert, rule.expr] as const),
  ...dashboard.panels.flatMap((panel) => panel.targets.map(({ expr }) => [panel.title, expr] as const)),
]

describe('docs/monitoring', () => {
  it.each(expressions)('%s asks for metrics and labels there are', (_, expr) => {
    for (const { name, labels } of asked(expr)) {
      expect([...metrics.keys()]).toContain(name)
      for (const label of labels) expect([...(metrics.get(name) ?? [])], `${name}: ${label}`).toContain(label)
    }
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/))
    const known = asked(expr).flatMap(({ name }) => [...(metrics.get(name) ?? []), 'le'])
    for (const label of grouped) expect(known).toContain(label)
  })

  it.each(rules.map((rule) => [rule.alert, rule.annotations.runbook]))('%s leads to a page', (_, page) => {
    expect(existsSync(join(root, page)), page).toBe(true)
  })

  it('shows every metric somewhere', () => {
    const shown = new Set(expressions.flatMap(([, expr]) => asked(expr).map(({ name }) => name)))
    expect([...metrics.keys()].filter((name) => !shown.has(name))).toEqual([])
  })

  it('has one panel per id', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
  })
})
