-- name: LockEventsExclusively :exec
-- Locks events in the order of the array, which must be ascending. It waits for the batches of bets that
-- hold the events' shared locks; later batches wait for it.
select pg_advisory_xact_lock(unnest(@event_ids::bigint[]));

-- name: EventsByID :many
select * from events where id = any(@ids::bigint[]);

-- name: EventByID :one
select * from events where id = @id;

-- name: OpenEvents :many
select *
from events
where id > @after and state = 1 and not quarantined and deadline > (select store_clock_now())
order by id
limit @at_most;

-- name: UndecidedEvents :many
select *
from events
where id > @after and state = 1 and not quarantined and dataset <> @not_of
order by id
limit @at_most;

-- name: EventsAbove :many
select *
from events
where dataset = @dataset and seq > @above and not quarantined
order by seq desc
limit @at_most;

-- name: WriteEvents :exec
-- Writes every column of an event except settled_revision. In the arrays Go's zero time, the first of
-- January of the year 1, stands for null, because an array of instants cannot hold nulls.
insert into events (
    id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, effective_at, created_at,
    updated_at, quarantined, void_before, void_windows, closed_at, resulted_at, settle_revision, recorded_by
)
select unnest(@ids::bigint[]), unnest(@datasets::text[]), unnest(@seqs::bigint[]), unnest(@versions::bigint[]),
       unnest(@names::text[]), unnest(@coefficients::integer[]), unnest(@deadlines::timestamptz[]),
       unnest(@states::smallint[]), unnest(@suspended::boolean[]), unnest(@result_revisions::bigint[]),
       nullif(unnest(@effective_at::timestamptz[]), '0001-01-01 00:00:00+00'),
       unnest(@created_at::timestamptz[]), unnest(@updated_at::timestamptz[]), unnest(@quarantined::boolean[]),
       nullif(unnest(@void_before::timestamptz[]), '0001-01-01 00:00:00+00'),
       unnest(@void_windows::text[])::jsonb,
       nullif(unnest(@closed_at::timestamptz[]), '0001-01-01 00:00:00+00'),
       nullif(unnest(@resulted_at::timestamptz[]), '0001-01-01 00:00:00+00'),
       unnest(@settle_revisions::bigint[]),
       nullif(unnest(@recorded_by::timestamptz[]), '0001-01-01 00:00:00+00')
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

-- name: Clocks :one
-- Reads the server's clock and the store's, which is the later one if the former has gone back.
select clock_timestamp()::timestamptz as wall, store_clock_now()::timestamptz as now;
