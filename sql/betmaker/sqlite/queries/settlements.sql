-- name: BetsBehind :many
-- The bets of an event that are behind its present revision, in order of id after a given one, so
-- that no chunk walks again over the bets of the chunks before it.
select b.*
from bets b
where b.event_id = @event_id and b.id > @after
    and b.settle_revision < (select e.settle_revision from events e where e.id = @event_id and e.quarantined = 0)
order by b.id
limit @at_most;

-- name: SettleBet :execrows
-- A revision never goes down. That it goes up, where it has to, the adapter sees to: it has read the bet
-- in the same transaction.
update bets
set status          = @status,
    payout          = @payout,
    void_reason     = @void_reason,
    settle_revision = @settle_revision,
    settled_at      = @settled_at
where id = @id and settle_revision <= @settle_revision;

-- name: ChangeLiability :exec
-- Of an event of which none is kept, none is begun. One that has gone wrong must not keep bets from
-- being settled; that it is wrong, the ledger check tells.
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
-- Marks the event only while its revision is still the one that the bets were compared with.
update events
set settled_revision = @settle_revision
where id = @event_id and settle_revision = @settle_revision and quarantined = 0;

-- name: Unsettled :many
-- How long they have waited is worked out by the adapter, whose clock it is.
select id, resulted_at
from events
where settled_revision < settle_revision and quarantined = 0
order by resulted_at, id
limit @at_most;
