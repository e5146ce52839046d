import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Everything `/metrics` shows. Labels never hold what a caller sent. */
export const registry = new Registry()
const registers = [registry]

export const httpRequests = new Counter({
  name: 'wa_http_requests_total',
  help: 'HTTP requests by route, method and status',
  labelNames: ['route', 'method', 'status'],
  registers,
})
export const authFailures = new Counter({
  name: 'wa_auth_failures_total',
  help: 'Refused keys and signatures by surface',
  labelNames: ['surface'],
  registers,
})
export const limitHits = new Counter({
  name: 'wa_limit_hits_total',
  help: 'Requests and messages refused by a limit',
  labelNames: ['limit'],
  registers,
})
export const toolCalls = new Counter({
  name: 'wa_tool_calls_total',
  help: 'Tool calls by tool and outcome',
  labelNames: ['tool', 'outcome'],
  registers,
})
export const sends = new Counter({
  name: 'wa_sends_total',
  help: "Outcomes of sends by Meta's code (0: accepted)",
  labelNames: ['outcome', 'code'],
  registers,
})
export const webhooks = new Counter({
  name: 'wa_webhooks_total',
  help: 'Deliveries by outcome',
  labelNames: ['outcome'],
  registers,
})
export const webhookLag = new Histogram({
  name: 'wa_webhook_lag_seconds',
  help: 'From receipt of a delivery to its being processed',
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
  registers,
})
export const jobRuns = new Counter({
  name: 'wa_job_runs_total',
  help: 'Runs of jobs by id and outcome',
  labelNames: ['job', 'outcome'],
  registers,
})
export const outboxRows = new Gauge({
  name: 'wa_outbox_rows',
  help: 'Rows of the outbox by state',
  labelNames: ['state'],
  registers,
})
export const outboxAge = new Gauge({
  name: 'wa_outbox_oldest_seconds',
  help: 'Age of the oldest row that is due',
  registers,
})
export const auditLag = new Gauge({
  name: 'wa_audit_lag_seconds',
  help: 'How long nothing of the audit log was archived',
  registers,
})
export const mcpSessions = new Gauge({
  name: 'wa_mcp_sessions',
  help: 'Open MCP sessions in the database and open streams in this process',
  labelNames: ['kind'],
  registers,
})
export const databaseUp = new Gauge({
  name: 'wa_database_up',
  help: '1 when the database answered this scrape; 0: outbox, audit lag and sessions are those of an earlier one',
  registers,
})
