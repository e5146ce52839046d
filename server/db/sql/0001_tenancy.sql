-- Who may talk to us: clients, and the keys they present.

create table clients (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 63),
  display_name text not null check (length(display_name) between 1 and 120),
  -- When set, every key of the client is refused.
  disabled_at timestamptz,
  created_at timestamptz not null default now()
);

create table api_keys (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references clients on delete cascade,
  label text not null check (length(label) between 1 and 120),
  -- The first 12 characters of the random part: enough to find the row, useless to guess the rest.
  prefix text not null unique check (length(prefix) = 12),
  -- HMAC-SHA256 of the whole token under the pepper.
  hash bytea not null check (length(hash) = 32),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);

create index on api_keys (client_id);

-- Servers remember keys they have checked. Whatever ends a key, by our command or by hand, must end that memory at once.
create function notify_auth_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('auth_changed', '');
  return null;
end
$$;

create trigger api_keys_changed after delete or update of client_id, hash, expires_at, revoked_at on api_keys
  for each statement execute function notify_auth_changed();
create trigger clients_changed after delete or update of disabled_at on clients
  for each statement execute function notify_auth_changed();

grant select, insert on clients to wa_app;
grant select, insert, update (hash, revoked_at, last_used_at) on api_keys to wa_app;
