-- name: InsertAuditRecord :exec
insert into audit_log (at, actor_id, address, request_id, server_request_id, action, subject, reason, changed, before, after)
values (@at, @actor_id, @address, @request_id, @server_request_id, @action, @subject, @reason, @changed,
        nullif(@before::text, '')::jsonb, nullif(@after::text, '')::jsonb);

-- The lists of audit records, the newest first. Each of the four queries walks another index as a
-- range, see LockBetsBehind. An actor of 0 and an empty text match all records.

-- name: ListAuditRecords :many
select *
from audit_log
where id < @before_id
order by id desc
limit @at_most;

-- name: ListAuditRecordsOnSubject :many
select *
from audit_log
where (subject, id) < (@subject::text, @before_id::bigint) and subject >= @subject
    and (@actor_id::bigint = 0 or actor_id = @actor_id) and (@action::text = '' or action = @action)
order by subject desc, id desc
limit @at_most;

-- name: ListAuditRecordsOfActor :many
select *
from audit_log
where (actor_id, id) < (@actor_id::bigint, @before_id::bigint) and actor_id >= @actor_id
    and (@action::text = '' or action = @action)
order by actor_id desc, id desc
limit @at_most;

-- name: ListAuditRecordsOfAction :many
select *
from audit_log
where (action, id) < (@action::text, @before_id::bigint) and action >= @action
order by action desc, id desc
limit @at_most;
