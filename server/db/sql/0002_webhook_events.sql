-- What Meta sent, byte for byte. Meta offers no second copy, so nothing is interpreted before it is here.

create table webhook_events (
  -- Of the body. Meta repeats deliveries; the same bytes are the same event.
  sha256 bytea primary key check (length(sha256) = 32),
  body bytea not null,
  received_at timestamptz not null default now()
);

grant select, insert on webhook_events to wa_app;
