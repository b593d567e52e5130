-- name: InsertAuditRecord :exec
insert into audit_log (at, actor_id, address, request_id, server_request_id, action, subject, reason, changed, before, after)
values (@at, @actor_id, @address, @request_id, @server_request_id, @action, @subject, @reason, @changed, @before, @after);

-- Lists of records, the newest first. An actor of 0 and an empty text mean any. There are four queries
-- because each walks its own index.

-- name: ListAuditRecords :many
select *
from audit_log
where id < @before_id
order by id desc
limit @at_most;

-- name: ListAuditRecordsOnSubject :many
select *
from audit_log
where subject = @subject and id < @before_id
    and (cast(@actor_id as integer) = 0 or actor_id = @actor_id) and (cast(@action as text) = '' or action = @action)
order by id desc
limit @at_most;

-- name: ListAuditRecordsOfActor :many
select *
from audit_log
where actor_id = @actor_id and id < @before_id and (cast(@action as text) = '' or action = @action)
order by id desc
limit @at_most;

-- name: ListAuditRecordsOfAction :many
select *
from audit_log
where action = @action and id < @before_id
order by id desc
limit @at_most;
