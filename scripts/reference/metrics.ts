import { Histogram, type Metric } from 'prom-client'
import { registry } from '../../server/metrics/metrics.ts'
import { code, page, table } from './markdown.ts'

/** docs/reference/metrics.md: every metric with its labels. */
export function metricsPage(): string {
  return page(
    'Metrics',
    'server/metrics/metrics.ts',
    '`GET /metrics` on `METRICS_PORT`, in the text format of Prometheus. Labels never hold what a caller sent.',
    table(
      ['Metric', 'Kind', 'Labels', 'Meaning'],
      registry.getMetricsAsArray().map((metric) => [
        code(metric.name),
        kindOf(metric as unknown as Metric),
        labelsOf(metric as unknown as Metric)
          .map(code)
          .join(', '),
        metric.help,
      ]),
    ),
  )
}

function kindOf(metric: Metric): string {
  return metric.constructor.name.toLowerCase()
}

/** Known to every metric, though the types of the package do not say so. */
function labelsOf(metric: Metric): readonly string[] {
  const { labelNames } = metric as unknown as { readonly labelNames: readonly string[] }
  return metric instanceof Histogram ? labelNames.filter((name) => name !== 'le') : labelNames
}
