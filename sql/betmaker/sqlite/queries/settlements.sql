-- name: BetsBehind :many
-- The bets of an event that are behind its settle revision, by id, after a given one: a chunk does not
-- walk the bets of earlier chunks again.
select b.*
from bets b
where b.event_id = @event_id and b.id > @after
    and b.settle_revision < (select e.settle_revision from events e where e.id = @event_id and e.quarantined = 0)
order by b.id
limit @at_most;

-- name: SettleBet :execrows
-- A revision never goes down. Where it must go up, the adapter checks that: it has read the bet in the
-- same transaction.
update bets
set status          = @status,
    payout          = @payout,
    void_reason     = @void_reason,
    settle_revision = @settle_revision,
    settled_at      = @settled_at
where id = @id and settle_revision <= @settle_revision;

-- name: ChangeLiability :exec
-- An event without a stored liability does not get one. A wrong liability must not stop settlement;
-- the ledger check reports it.
update liabilities set amount = max(amount + @change, 0) where event_id = @event_id;

-- name: SettleRevision :one
select settle_revision from events where id = @event_id and quarantined = 0;

-- name: FirstBetBehind :many
select id
from bets
where event_id = @event_id and settle_revision < @settle_revision
order by id
limit 1;

-- name: MarkSettled :execrows
-- Marks the event only if its revision is still the one that the bets were compared with.
update events
set settled_revision = @settle_revision
where id = @event_id and settle_revision = @settle_revision and quarantined = 0;

-- name: Unsettled :many
-- The adapter computes how long they have waited, by its own clock.
select id, resulted_at
from events
where settled_revision < settle_revision and quarantined = 0
order by resulted_at, id
limit @at_most;
