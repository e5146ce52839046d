-- Work that survives a crash: what Meta sent and has to be understood, and what we have to do.

alter table webhook_events
  add column id bigint generated always as identity,
  add column meta_app_id uuid references meta_apps,
  add column request_id text,
  add column processed_at timestamptz,
  -- Why processing gave up; null while it has not.
  add column error text,
  add constraint webhook_events_id_uq unique (id);
create index webhook_events_open on webhook_events (id) where processed_at is null;
create index webhook_events_received on webhook_events (received_at);
grant update (processed_at, error) on webhook_events to wa_app;
grant delete on webhook_events to wa_app;

-- Written in the transaction of the change it follows from. Carries ids only, so that nothing said leaves through a job service.
create table outbox (
  id bigint generated always as identity primary key,
  name text not null,
  data jsonb not null,
  -- Rows with the same key run one after the other where the job asks for it.
  concurrency_key text not null default '',
  -- ready → (leased) → done, or dead after the last attempt; held: waits for the operator.
  state text not null default 'ready' check (state in ('ready', 'done', 'dead', 'held')),
  run_after timestamptz not null default now(),
  leased_until timestamptz,
  attempts int not null default 0,
  last_error text,
  created_at timestamptz not null default now(),
  done_at timestamptz
);
create index outbox_due on outbox (run_after, id) where state = 'ready';
create index outbox_done on outbox (done_at) where state = 'done';
create index outbox_stuck on outbox (state) where state in ('dead', 'held');

create function notify_outbox() returns trigger language plpgsql as $$
begin
  perform pg_notify('outbox', '');
  return null;
end
$$;
create trigger outbox_inserted after insert on outbox for each statement execute function notify_outbox();

-- One run per tick, however many processes there are.
create table cron_runs (
  id text not null,
  tick timestamptz not null,
  finished_at timestamptz,
  error text,
  primary key (id, tick)
);

grant select, insert, update, delete on outbox, cron_runs to wa_app;
