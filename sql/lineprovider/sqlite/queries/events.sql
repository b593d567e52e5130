-- name: EventByID :one
select * from events where id = @id;

-- name: EventsByID :many
select * from events where id > @after order by id limit @at_most;

-- name: EventsByState :many
select * from events where state = @state and id > @after order by id limit @at_most;

-- name: EventsBySeq :many
select * from events where seq > @after order by seq limit @at_most;

-- name: CountEventsBySeq :one
select count(*) from events where seq > @after;

-- name: AddEvent :exec
-- The columns are in the order of the table, so that the parameters convert from a row.
insert into events
    (id, version, seq, coefficient, deadline, state, created_at, updated_at,
     name, suspended, result_revision, effective_at, recorded_at)
values
    (@id, @version, @seq, @coefficient, @deadline, @state, @created_at, @updated_at,
     @name, @suspended, @result_revision, @effective_at, @recorded_at);

-- name: ChangeEvent :execrows
-- Changes no row if the event is not at the version before. The columns are in the order of the table,
-- as in AddEvent.
update events
set id = @id, version = @version, seq = @seq, coefficient = @coefficient, deadline = @deadline, state = @state,
    created_at = @created_at, updated_at = @updated_at, name = @name, suspended = @suspended,
    result_revision = @result_revision, effective_at = @effective_at, recorded_at = @recorded_at
where id = @id and version = @version - 1;
