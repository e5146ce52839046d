-- Messages of thirty days and their people, as psql reads it: -v number -v messages. Media rows come through the table `files`.
\set ON_ERROR_STOP on
begin;
-- Notices and foreign keys of a million rows would take longer than what is measured.
set local session_replication_role = replica;
set local statement_timeout = 0;
select id as number_id, client_id from phone_numbers where wa_phone_number_id = :'number' \gset
insert into contacts (phone_number_id, wa_id, bsuid, profile_name, last_message_at)
select :'number_id', '1555' || lpad(n::text, 7, '0'), 'US.' || n, 'Person ' || n, now() from generate_series(1, 2000) n;
with people as (
  select id, row_number() over (order by wa_id) as n from contacts where wa_id like '1555_______' and bsuid like 'US.%'
)
insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, wa_message_id, status, wa_timestamp, created_at)
select :'number_id', people.id, :'client_id', case when m % 10 = 0 then 'outbound' else 'inbound' end, 'text',
  'Message ' || m || ' about order ' || md5(m::text), 'wamid.SEED.' || m, case when m % 10 = 0 then 'read' else 'received' end, at, at
from generate_series(1, :messages) m
join people on people.n = 1 + (m * 7919::bigint) % 2000
cross join lateral (select now() - interval '30 days' + interval '29 days' * m / :messages as at) moment;
insert into media_objects (id, phone_number_id, client_id, direction, kind, wamid, wa_media_id, status, mime_type, size_bytes, sha256,
  storage_path, stored_at)
select id, :'number_id', :'client_id', 'inbound', 'document', 'wamid.MEDIA.' || id, id::text, 'stored', 'application/pdf', bytes,
  decode(sha256, 'hex'), place, now() from files;
commit;
vacuum analyze contacts, messages, media_objects;
