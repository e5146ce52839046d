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

/**
 * What the image does after `initdb`, for a volume it never came to that on: killed in between, it takes the volume for whole
 * for ever after. Where there is any other database nothing is made: an empty one must not take the place of one with data.
 */
export const COMPLETE_INIT = String.raw`\set ON_ERROR_STOP on
select 'create database wa_mcp'
  where not exists (select from pg_database where not datistemplate and datname <> 'postgres') \gexec
select format('copy (select %L) to program %L', 'host all all all scram-sha-256', 'cat >> ' || current_setting('hba_file'))
  where not exists (select from pg_hba_file_rules where address = 'all') \gexec
select pg_reload_conf();
`

/** What reads {@link COMPLETE_INIT}; the other database may not be there yet. */
export const PSQL_FIRST = ['psql', '-XqAt', '-U', 'postgres', '-d', 'postgres', '-o', '/dev/null'] as const

/** What reads {@link ALIGN_SUPERUSER}: `docker ${COMPOSE} exec -T postgres …`. */
export const PSQL = ['psql', '-XqAt', '-U', 'postgres', '-d', 'wa_mcp'] as const
