-- Whose WhatsApp numbers we serve, and which client may do what with each.

alter table clients add column is_owner boolean not null default false;
alter table clients add column metadata jsonb not null default '{}';
create unique index clients_one_owner_uq on clients (is_owner) where is_owner;

alter table api_keys
  add column scopes jsonb not null default '[]' check (jsonb_typeof(scopes) = 'array'),
  add column rpm_limit int not null default 60 check (rpm_limit between 1 and 100000),
  add column daily_msg_limit int not null default 250 check (daily_msg_limit between 0 and 1000000),
  add column rotated_from_id uuid references api_keys on delete set null,
  add column last_used_ip inet;

-- A Meta app signs the webhooks of all its numbers. Secrets are references, `secrets://name`, never values.
create table meta_apps (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 63),
  app_secret_ref text not null check (app_secret_ref like 'secrets://%'),
  app_secret_previous_ref text check (app_secret_previous_ref like 'secrets://%'),
  verify_token_ref text not null check (verify_token_ref like 'secrets://%'),
  created_at timestamptz not null default now()
);
insert into meta_apps (name, app_secret_ref, app_secret_previous_ref, verify_token_ref)
values ('default', 'secrets://wa_app_secret', 'secrets://wa_app_secret_previous', 'secrets://wa_webhook_verify_token');

create table phone_numbers (
  id uuid primary key default gen_random_uuid(),
  -- Meta's id, the one every outside surface uses.
  wa_phone_number_id text not null unique check (wa_phone_number_id ~ '^[0-9]{5,32}$'),
  wa_business_account_id text not null check (wa_business_account_id ~ '^[0-9]{5,32}$'),
  meta_app_id uuid not null references meta_apps,
  -- To whom inbound messages are booked; others read them by a grant.
  client_id uuid not null references clients,
  display_number text,
  label text not null check (length(label) between 1 and 120),
  access_token_secret_ref text not null default 'secrets://wa_default_access_token'
    check (access_token_secret_ref like 'secrets://%'),
  disabled_at timestamptz,
  -- Set when Meta refuses the token (190); nothing is sent until the operator resumes the number.
  paused_at timestamptz,
  paused_reason text,
  -- Meta asked us to slow down until then.
  throttled_until timestamptz,
  -- Messages Meta may charge for, per calendar month (UTC); null is no limit.
  monthly_billable_cap int check (monthly_billable_cap >= 0),
  quality_rating text,
  messaging_limit text,
  created_at timestamptz not null default now()
);

create table client_phone_grants (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references clients on delete cascade,
  phone_number_id uuid not null references phone_numbers,
  verbs text[] not null default '{read}' check (verbs <@ '{read,send,template}' and cardinality(verbs) > 0),
  -- null: every tool the verbs cover.
  allowed_tools text[],
  daily_cap int check (daily_cap >= 0),
  send_policy text not null default 'any'
    check (send_policy in ('any', 'window_only', 'templates_only', 'known_contacts', 'approval')),
  -- Under `approval`: whether the person at the client may confirm, instead of the operator alone.
  approve_in_client boolean not null default false,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create unique index client_phone_grants_live_uq on client_phone_grants (client_id, phone_number_id) where revoked_at is null;

create trigger grants_changed after insert or update or delete on client_phone_grants
  for each statement execute function notify_auth_changed();
create trigger numbers_changed
  after insert or delete or update of wa_phone_number_id, wa_business_account_id, meta_app_id, client_id, display_number, label,
    access_token_secret_ref, disabled_at, paused_at, monthly_billable_cap, quality_rating, messaging_limit on phone_numbers
  for each statement execute function notify_auth_changed();
create trigger apps_changed after insert or update or delete on meta_apps
  for each statement execute function notify_auth_changed();
drop trigger api_keys_changed on api_keys;
create trigger api_keys_changed
  after delete or update of client_id, hash, expires_at, revoked_at, scopes, rpm_limit, daily_msg_limit on api_keys
  for each statement execute function notify_auth_changed();

grant update (display_name, disabled_at, metadata) on clients to wa_app;
grant update (expires_at, last_used_ip) on api_keys to wa_app;
grant select, insert, update on meta_apps, phone_numbers, client_phone_grants to wa_app;
