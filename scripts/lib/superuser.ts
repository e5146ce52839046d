/**
 * Makes Postgres take the superuser password of the secrets file, which by itself it reads only when its files are new:
 * after a rotation, or on a volume that was restored, the two differ and migrations are locked out. Asked over the
 * local socket, which wants no password; the value goes from the container's own secret straight into the session.
 */
export const ALIGN_SUPERUSER = String.raw`\set ON_ERROR_STOP on
\set password ${'`cat /run/secrets/postgres_password`'}
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';
set password_encryption = 'scram-sha-256';
alter role postgres password :'password';
`

/** What reads that script: `docker ${COMPOSE} exec -T postgres …`. */
export const PSQL = ['psql', '-XqAt', '-U', 'postgres', '-d', 'wa_mcp'] as const
