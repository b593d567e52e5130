-- name: AddHistory :exec
-- Adds the present state of the event to its history.
insert into history
    (event_id, version, seq, coefficient, deadline, state, created_at, updated_at,
     name, suspended, result_revision, effective_at, action, at, actor, token, reason, recorded_at)
select id, version, seq, coefficient, deadline, state, created_at, updated_at,
       name, suspended, result_revision, effective_at, @action, @at, @actor, @token, @reason, recorded_at
from events
where id = @event_id;

-- name: HistoryByVersion :many
select * from history where event_id = @event_id and version > @after order by version limit @at_most;
