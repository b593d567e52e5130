-- There are no locks on events as in PostgreSQL: there is one writer at a time.

-- name: EventsByID :many
select * from events where id in (select value from json_each(cast(@ids as text)));

-- name: EventByID :one
select * from events where id = @id;

-- name: OpenEvents :many
-- @now comes from the store's clock. SQLite's may be set back, and has milliseconds only.
select *
from events
where id > @after and state = 1 and quarantined = 0 and deadline > @now
order by id
limit @at_most;

-- name: UndecidedEvents :many
select *
from events
where id > @after and state = 1 and quarantined = 0 and dataset <> @not_of
order by id
limit @at_most;

-- name: EventsAbove :many
select *
from events
where dataset = @dataset and seq > @above and quarantined = 0
order by seq desc
limit @at_most;

-- name: WriteEvent :exec
-- Writes an event, except settled_revision. One event per statement: SQLite has no arrays, and a
-- statement costs no round trip.
insert into events (
    id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, effective_at, created_at,
    updated_at, quarantined, void_before, void_windows, closed_at, resulted_at, settle_revision, recorded_by
)
values (
    @id, @dataset, @seq, @version, @name, @coefficient, @deadline, @state, @suspended, @result_revision, @effective_at,
    @created_at, @updated_at, @quarantined, @void_before, @void_windows, @closed_at, @resulted_at, @settle_revision,
    @recorded_by
)
on conflict (id) do update set
    dataset         = excluded.dataset,
    seq             = excluded.seq,
    version         = excluded.version,
    name            = excluded.name,
    coefficient     = excluded.coefficient,
    deadline        = excluded.deadline,
    state           = excluded.state,
    suspended       = excluded.suspended,
    result_revision = excluded.result_revision,
    effective_at    = excluded.effective_at,
    created_at      = excluded.created_at,
    updated_at      = excluded.updated_at,
    quarantined     = excluded.quarantined,
    void_before     = excluded.void_before,
    void_windows    = excluded.void_windows,
    closed_at       = excluded.closed_at,
    resulted_at     = excluded.resulted_at,
    settle_revision = excluded.settle_revision,
    recorded_by     = excluded.recorded_by;

-- name: Cursor :one
select dataset, generation, after_seq from feed_cursor;

-- name: MoveCursor :execrows
update feed_cursor
set dataset = @next_dataset, generation = @next_generation, after_seq = @next_after_seq
where dataset = @from_dataset and generation = @from_generation and after_seq = @from_after_seq;

-- name: ReservedClock :one
select reserved from clock where id = 1;

-- name: ReserveClock :exec
-- A guest and the owner of the file may both reserve.
update clock set reserved = max(reserved, cast(@until as integer)) where id = 1;

-- name: ReleaseClock :exec
update clock set reserved = @until where id = 1;
