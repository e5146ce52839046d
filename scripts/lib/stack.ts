import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository this code belongs to. */
export const ROOT = resolve(fileURLToPath(import.meta.url), '../../..')

/** Host-specific values of the compose file, written by the bootstrap. */
export const STACK_ENV = '/etc/whatsapp-mcp/stack.env'

export const COMPOSE_FILE = `${ROOT}/docker-compose.prod.yml`

/** Absolute, so that no working directory matters: `docker ${COMPOSE} ps`. */
export const COMPOSE = ['compose', '--file', COMPOSE_FILE, '--env-file', STACK_ENV] as const

/** The replicas of the server. */
export const APPS = ['app', 'app-b'] as const

/** Services that must be running, in the order they start. */
export const SERVICES = ['postgres', ...APPS, 'nginx'] as const

/** The container of the database, as Compose names it: project, service, number. */
export const POSTGRES = 'whatsapp-mcp-postgres-1'

export const TLS_DIRECTORY = '/var/lib/whatsapp-mcp/tls'

/** The user of the nginx container, who reads the certificate. */
export const NGINX_GID = 101

/** After `docker ${COMPOSE}`: the server's commands for its operator. */
export const ADMIN = ['exec', '-T', 'app', '/nodejs/bin/node', '/app/server.js'] as const

/** @throws Error where the bootstrap has not been */
export async function domainOfThisHost(): Promise<string> {
  const domain = /^WA_DOMAIN=(.+)$/m.exec(await readFile(STACK_ENV, 'utf8'))?.[1]
  if (domain === undefined) throw new Error(`${STACK_ENV} names no WA_DOMAIN; run the bootstrap`)
  return domain
}
