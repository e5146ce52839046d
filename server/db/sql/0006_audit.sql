-- Who did what, in an order that cannot be rewritten unnoticed. No message bodies, no tokens.

create table audit_log (
  -- Given by the writer, without gaps: a missing row shows.
  id bigint primary key,
  ts timestamptz not null,
  request_id text,
  client_id uuid,
  api_key_id uuid,
  transport text not null,
  action text not null,
  tool text,
  -- Meta's id of the number.
  phone_number_id text,
  outcome text not null check (outcome in ('ok', 'refused', 'failed')),
  error_class text,
  error_code text,
  duration_ms int,
  ip text,
  detail jsonb not null default '{}',
  -- SHA-256 of the previous row's hash and of this row.
  prev_hash bytea not null check (length(prev_hash) = 32),
  hash bytea not null check (length(hash) = 32)
);
create index on audit_log (ts);
create index on audit_log (client_id, ts);

-- The end of the chain. Writers lock it, so two processes cannot both continue from the same row.
create table audit_head (
  one boolean primary key default true check (one),
  id bigint not null,
  hash bytea not null check (length(hash) = 32)
);
insert into audit_head (id, hash) values (0, decode(repeat('00', 32), 'hex'));

-- Closed stretches of the chain, written to files for the archive.
create table audit_segments (
  id bigint generated always as identity primary key,
  -- Two processes cannot both continue from the same segment.
  first_id bigint not null unique,
  last_id bigint not null,
  last_hash bytea not null,
  file text not null unique,
  sha256 bytea not null,
  closed_at timestamptz not null default now(),
  check (last_id >= first_id)
);

grant select, insert on audit_log to wa_app;
grant select, update on audit_head to wa_app;
grant select on audit_segments to wa_app;
-- When it was closed is not for the app to say.
grant insert (first_id, last_id, last_hash, file, sha256) on audit_segments to wa_app;
grant select on audit_log, audit_segments to wa_audit_archiver;

-- The only way rows leave: whole segments, and only those closed long ago. It runs with the rights of the owner.
create function audit_prune(keep interval) returns bigint language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from audit_log
    where id <= (select max(last_id) from audit_segments where closed_at < now() - greatest(keep, interval '30 days'))
    returning 1
  )
  select count(*) from gone
$$;
revoke all on function audit_prune(interval) from public;
grant execute on function audit_prune(interval) to wa_app, wa_audit_archiver;
