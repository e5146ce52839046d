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
