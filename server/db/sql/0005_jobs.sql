-- Work that survives a crash: what Meta sent and has to be understood, and what we have to do.

alter table webhook_events
  add column id bigint generated always as identity,
  -- The app that signed. No foreign key: its check would lock the app's row for every delivery, and apps are never deleted.
  add column meta_app_id uuid,
  add column request_id text,
  add column processed_at timestamptz,
  -- Why processing gave up; null while it has not.
  add column error text,
  add constraint webhook_events_id_uq unique (id);
-- Rows lie in the order they came, so a summary per block range finds a stretch of time and costs an insert next to nothing.
create index webhook_events_received on webhook_events using brin (received_at) with (pages_per_range = 32, autosummarize = on);
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
  -- Which runner has it, and until when the others keep off.
  leased_by uuid,
  leased_until timestamptz,
  attempts int not null default 0,
  last_error text,
  created_at timestamptz not null default now(),
  done_at timestamptz
);
create index outbox_due on outbox (name, concurrency_key, run_after, id) where state = 'ready';
create index outbox_leased on outbox (name, concurrency_key) where state = 'ready' and leased_until is not null;
create index outbox_done on outbox (done_at) where state = 'done';
create index outbox_stuck on outbox (state) where state in ('dead', 'held');
-- Every row dies twice on its way through, and scans from the front meet the dead first.
alter table outbox set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Listeners hear which events have come. Transactions that notify commit one after the other, so a writer in a hurry sets
-- `wa.announce` to `later` and notifies on its own, once for many.
create function notify_outbox() returns trigger language plpgsql as $$
begin
  perform pg_notify('outbox', name) from (select distinct name from added) events;
  return null;
end
$$;
create trigger outbox_inserted after insert on outbox
  referencing new table as added for each statement
  when (current_setting('wa.announce', true) is distinct from 'later') execute function notify_outbox();

-- Gives a runner due rows of an event, at most `per_key` of each key, but none of the keys in `busy`. All leased rows of a key
-- belong to one runner, which then needs nobody else to keep the limit; rows without a key are free for all.
create function lease_outbox(event text, runner uuid, seconds int, per_key int, busy jsonb)
returns setof outbox language plpgsql as $$
begin
  -- Taken before the snapshot of the query below, so that of two runners the second sees what the first has leased.
  perform pg_advisory_xact_lock(hashtextextended('outbox ' || event, 0));
  -- A lease that a crash of the database forgets is taken again.
  perform set_config('synchronous_commit', 'off', true);
  return query
    -- One index probe per key instead of a walk over all rows: a long queue of one number must not hide the others.
    with recursive keys (key) as (
      (select concurrency_key from outbox where state = 'ready' and name = event order by concurrency_key limit 1)
      union all
      select (
        select concurrency_key from outbox
        where state = 'ready' and name = event and concurrency_key > keys.key order by concurrency_key limit 1)
      from keys where keys.key is not null
    ), due as (
      select picked.id from keys cross join lateral (
        select id from outbox
        where state = 'ready' and name = event and concurrency_key = keys.key
          and run_after <= now() and (leased_until is null or leased_until <= now())
        order by run_after, id limit per_key for update skip locked) picked
      where not busy ? keys.key and (keys.key = '' or not exists (
        select from outbox
        where state = 'ready' and name = event and concurrency_key = keys.key and leased_until > now() and leased_by <> runner))
    )
    update outbox o set
      leased_by = runner,
      leased_until = now() + make_interval(secs => seconds),
      -- A lease that ran out means that its runner died with the row.
      attempts = o.attempts + (o.leased_until is not null)::int
    from due where o.id = due.id
    returning o.*;
end
$$;

-- One run per tick, however many processes there are.
create table cron_runs (
  id text not null,
  tick timestamptz not null,
  finished_at timestamptz,
  error text,
  primary key (id, tick)
);

grant select, insert, update, delete on outbox, cron_runs to wa_app;
