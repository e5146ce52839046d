-- MCP sessions of the handshake era, so that every process of the server can serve them.
create table mcp_sessions (
  id uuid primary key,
  client_id uuid not null references clients on delete cascade,
  -- The key that opened it; null on stdio. Another key is refused.
  api_key_id uuid references api_keys on delete cascade,
  protocol_version text not null,
  client_info jsonb not null default '{}',
  client_capabilities jsonb not null default '{}',
  -- Resources it subscribed to.
  subscriptions text[] not null default '{}',
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
create index on mcp_sessions (last_seen_at);

-- Counters: requests per key and minute, messages per key or grant and day, billable messages per number and month.
create table rate_limit_buckets (
  scope_kind text not null,
  scope_id uuid not null,
  window_start timestamptz not null,
  count int not null default 0,
  primary key (scope_kind, scope_id, window_start)
);
create index on rate_limit_buckets (window_start);

grant select, insert, update, delete on mcp_sessions, rate_limit_buckets to wa_app;

create function notify_session_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('sessions', old.id::text);
  return null;
end
$$;
create trigger mcp_sessions_changed after delete or update of subscriptions on mcp_sessions
  for each row execute function notify_session_changed();

-- A client sees what is left of its own limits, and of the budget of the numbers it uses.
create function scope_keys() returns setof uuid language sql stable security definer set search_path = public, pg_temp as
  $$ select id from api_keys where client_id = scope_client() $$;
revoke all on function scope_keys from public;
grant execute on function scope_keys to wa_client;
alter table rate_limit_buckets enable row level security;
create policy app_all on rate_limit_buckets to wa_app using (true) with check (true);
create policy client_reads on rate_limit_buckets for select to wa_client using (
  (scope_kind = 'key_day' and scope_id in (select scope_keys()))
  or (scope_kind = 'grant_day' and scope_id in (select id from client_phone_grants))
  or (scope_kind = 'number_month' and scope_id = any ((select scope_numbers())::uuid[])));
grant select on rate_limit_buckets to wa_client;
