-- What was said, to whom, and what became of it.

-- One row per person and number of ours: the row is also the conversation. The business-scoped user id is the stable key;
-- the phone number may be missing since WhatsApp has usernames.
create table contacts (
  id uuid primary key default uuidv7(),
  phone_number_id uuid not null references phone_numbers,
  bsuid text,
  parent_bsuid text,
  -- Digits, as Meta writes them.
  wa_id text,
  username text,
  profile_name text,
  -- Latest inbound message that opens the service window, by Meta's clock.
  last_inbound_at timestamptz,
  window_expires_at timestamptz,
  -- Latest message in either direction, by ours.
  last_message_at timestamptz,
  marketing_opt_out_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (bsuid is not null or wa_id is not null),
  unique (phone_number_id, bsuid),
  unique (phone_number_id, wa_id)
);
create index contacts_recent on contacts (phone_number_id, last_message_at desc nulls last, id);

-- Every identity a contact has been known under, and why it changed.
create table contact_identities (
  id bigint generated always as identity primary key,
  contact_id uuid not null references contacts on delete cascade,
  phone_number_id uuid not null references phone_numbers,
  bsuid text,
  wa_id text,
  reason text not null,
  seen_at timestamptz not null default now()
);
create index on contact_identities (contact_id);
create index on contact_identities (phone_number_id, bsuid) where bsuid is not null;
create index on contact_identities (phone_number_id, wa_id) where wa_id is not null;

create table media_objects (
  id uuid primary key default uuidv7(),
  phone_number_id uuid not null references phone_numbers,
  client_id uuid not null references clients,
  direction text not null check (direction in ('inbound', 'outbound')),
  kind text not null check (kind in ('image', 'document', 'audio', 'video', 'sticker')),
  -- Message it came with; '' for what we upload.
  wamid text not null default '',
  wa_media_id text,
  -- When Meta forgets an id we uploaded.
  wa_media_expires_at timestamptz,
  status text not null default 'pending' check (status in ('pending', 'stored', 'failed', 'deleted')),
  error_code text,
  mime_type text,
  filename text,
  size_bytes bigint,
  sha256 bytea,
  -- Relative to MEDIA_ROOT.
  storage_path text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  stored_at timestamptz,
  deleted_at timestamptz
);
create unique index media_objects_inbound_uq on media_objects (phone_number_id, wamid, wa_media_id) where direction = 'inbound';
create index media_objects_same_file on media_objects (client_id, sha256) where direction = 'outbound';
create index media_objects_retention on media_objects (created_at) where status = 'stored';

create table messages (
  id uuid primary key default uuidv7(),
  phone_number_id uuid not null references phone_numbers,
  contact_id uuid not null references contacts,
  client_id uuid not null references clients,
  api_key_id uuid references api_keys on delete set null,
  direction text not null check (direction in ('inbound', 'outbound')),
  message_type text not null,
  body text,
  -- The understood part; for outbound rows exactly what Graph is given (without `to`).
  payload jsonb not null default '{}',
  -- What Meta sent, with anything that looks like a secret replaced.
  raw jsonb,
  wa_message_id text,
  reply_to_wamid text,
  media_object_id uuid references media_objects,
  -- Inbound: received. Outbound, forward only: pending_approval → queued → sending → accepted → sent → delivered → read → played,
  -- or rejected | failed | unknown | held.
  status text not null check (status in ('received', 'pending_approval', 'queued', 'sending', 'accepted', 'sent', 'delivered',
    'read', 'played', 'rejected', 'failed', 'unknown', 'held')),
  error_code int,
  error jsonb,
  pricing jsonb,
  -- Unique per client: the same key is the same message.
  idempotency_key text,
  -- SHA-256 of what was asked under that key, so that a key used for something else is refused.
  request_hash bytea,
  attempts int not null default 0,
  wa_timestamp timestamptz,
  request_id text,
  search tsvector generated always as (to_tsvector('simple', coalesce(body, ''))) stored,
  -- Writers hold the number's advisory lock until commit, so this order is the order of becoming visible.
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default now(),
  check (direction = 'outbound' or status = 'received')
);
create unique index messages_wamid_uq on messages (phone_number_id, wa_message_id) where wa_message_id is not null;
create unique index messages_idempotency_uq on messages (client_id, idempotency_key) where idempotency_key is not null;
create index messages_page on messages (phone_number_id, created_at, id);
create index messages_by_contact on messages (contact_id, created_at, id);
create index messages_search on messages using gin (search);
create index messages_open on messages (phone_number_id, status)
  where status in ('pending_approval', 'queued', 'sending', 'unknown', 'held');
create index messages_retention on messages (created_at);

-- Every status Meta reported. One that beats our own commit has no message yet and is matched later.
create table message_statuses (
  id bigint generated always as identity primary key,
  phone_number_id uuid not null references phone_numbers,
  message_id uuid references messages on delete cascade,
  wa_message_id text not null,
  status text not null,
  recipient text not null default '',
  callback text,
  wa_timestamp timestamptz,
  error jsonb,
  pricing jsonb,
  created_at timestamptz not null default now(),
  unique (phone_number_id, wa_message_id, status, recipient)
);
create index on message_statuses (message_id);
create index message_statuses_parked on message_statuses (created_at) where message_id is null;

create table templates (
  id uuid primary key default gen_random_uuid(),
  wa_business_account_id text not null,
  wa_template_id text,
  name text not null,
  language text not null,
  category text not null,
  status text not null,
  parameter_format text not null default 'POSITIONAL',
  components jsonb not null default '[]',
  quality text,
  rejected_reason text,
  synced_at timestamptz not null default now(),
  unique (wa_business_account_id, name, language)
);

-- Listeners hear of every new message and every change of status, whoever wrote it. Ids only.
create function notify_message() returns trigger language plpgsql as $$
begin
  perform pg_notify('messages', json_build_object(
    'kind', case when tg_op = 'INSERT' then 'message' else 'status' end,
    'number', new.phone_number_id, 'contact', new.contact_id, 'client', new.client_id, 'message', new.id,
    'wamid', new.wa_message_id, 'direction', new.direction, 'type', new.message_type, 'status', new.status)::text);
  return null;
end
$$;
create trigger messages_inserted after insert on messages for each row execute function notify_message();
create trigger messages_status_changed after update of status on messages
  for each row when (old.status is distinct from new.status) execute function notify_message();

grant select, insert, update, delete on contacts, contact_identities, media_objects, messages, message_statuses, templates to wa_app;

-- Tools read as wa_client, which sees the numbers in `wa.numbers` and, on those, what came in and what the client in
-- `wa.client` sent itself. A query that forgets to ask for the tenant still gets no row of another.
create function scope_numbers() returns uuid[] language sql stable parallel safe as
  $$ select string_to_array(nullif(current_setting('wa.numbers', true), ''), ',')::uuid[] $$;
create function scope_client() returns uuid language sql stable parallel safe as
  $$ select nullif(current_setting('wa.client', true), '')::uuid $$;

alter table phone_numbers enable row level security;
alter table client_phone_grants enable row level security;
alter table contacts enable row level security;
alter table contact_identities enable row level security;
alter table media_objects enable row level security;
alter table messages enable row level security;
alter table message_statuses enable row level security;
alter table templates enable row level security;

create policy app_all on phone_numbers to wa_app using (true) with check (true);
create policy app_all on client_phone_grants to wa_app using (true) with check (true);
create policy app_all on contacts to wa_app using (true) with check (true);
create policy app_all on contact_identities to wa_app using (true) with check (true);
create policy app_all on media_objects to wa_app using (true) with check (true);
create policy app_all on messages to wa_app using (true) with check (true);
create policy app_all on message_statuses to wa_app using (true) with check (true);
create policy app_all on templates to wa_app using (true) with check (true);

create policy client_reads on phone_numbers for select to wa_client using (id = any ((select scope_numbers())::uuid[]));
create policy client_reads on client_phone_grants for select to wa_client using (client_id = (select scope_client()));
create policy client_reads on contacts for select to wa_client
  using (phone_number_id = any ((select scope_numbers())::uuid[]));
create policy client_reads on contact_identities for select to wa_client
  using (phone_number_id = any ((select scope_numbers())::uuid[]));
create policy client_reads on media_objects for select to wa_client
  using (phone_number_id = any ((select scope_numbers())::uuid[]) and (direction = 'inbound' or client_id = (select scope_client())));
create policy client_reads on messages for select to wa_client
  using (phone_number_id = any ((select scope_numbers())::uuid[]) and (direction = 'inbound' or client_id = (select scope_client())));
create policy client_reads on message_statuses for select to wa_client
  using (exists (select from messages m where m.id = message_id));
create policy client_reads on templates for select to wa_client
  using (wa_business_account_id in (select wa_business_account_id from phone_numbers));

grant select (id, wa_phone_number_id, wa_business_account_id, display_number, label, disabled_at, paused_at, paused_reason,
  throttled_until, monthly_billable_cap, quality_rating, messaging_limit) on phone_numbers to wa_client;
grant select on client_phone_grants, contacts, contact_identities, media_objects, message_statuses, templates to wa_client;
grant select (id, phone_number_id, contact_id, client_id, direction, message_type, body, payload, wa_message_id, reply_to_wamid,
  media_object_id, status, error_code, error, pricing, attempts, wa_timestamp, request_id, search, created_at, updated_at)
  on messages to wa_client;

-- `@@` is not leakproof, so under row-level security it cannot use the index and would read every message of a number. This
-- runs with the rights of the owner, asks for the tenant as the policy on `messages` does, and gives ids only: the query that
-- joins them with `messages` is under the policy again. Newest first, before the place where the last page ended. Planned anew
-- for each query, because a rare word wants the index of words and a common one that of time.
create function scoped_search(
  query text, contact uuid, only_direction text, only_type text, since timestamptz, until timestamptz,
  before_at timestamptz, before_id uuid, most int
) returns setof uuid language sql stable security definer rows 20
set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
  select m.id from messages m
  where m.phone_number_id = any (scope_numbers()) and (m.direction = 'inbound' or m.client_id = scope_client())
    and m.search @@ websearch_to_tsquery('simple', query)
    and (contact is null or m.contact_id = contact)
    and (only_direction is null or m.direction = only_direction)
    and (only_type is null or m.message_type = only_type)
    and (since is null or m.created_at >= since) and (until is null or m.created_at < until)
    and (before_at is null or (m.created_at, m.id) < (before_at, before_id))
  order by m.created_at desc, m.id desc limit most
$$;
revoke all on function scoped_search from public;
grant execute on function scoped_search to wa_client;
