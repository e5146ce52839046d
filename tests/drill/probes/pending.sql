-- Three answers on their way: two wait to be sent (not before an hour has passed), one was being sent. -v number
\set ON_ERROR_STOP on
begin;
with model as (
  select m.* from messages m join phone_numbers n on n.id = m.phone_number_id
  where n.wa_phone_number_id = :'number' and m.direction = 'outbound' and m.wa_message_id not like 'wamid.SEED.%'
  order by m.created_at desc limit 1
), added as (
  insert into messages (phone_number_id, contact_id, client_id, api_key_id, direction, message_type, body, payload, status)
  select m.phone_number_id, m.contact_id, m.client_id, m.api_key_id, m.direction, m.message_type, it.said,
    jsonb_set(m.payload, '{text,body}', to_jsonb(it.said)), it.state
  from model m, (values ('before the loss: one', 'queued'), ('before the loss: two', 'queued'), ('before the loss: three', 'sending')) it (said, state)
  returning id, phone_number_id, created_at
)
insert into outbox (name, data, concurrency_key, run_after)
select 'wa/message.send.requested', jsonb_build_object('messageId', id), phone_number_id, now() + interval '1 hour'
from added;
commit;
