-- name: LockBetsBehind :many
-- The bets of an event that are behind its present revision, by user and in order of id for each,
-- after a given one, so that no chunk walks again over the bets of the chunks before it; those of
-- one share of the users. Bets that another settler holds are its business. A row is returned as
-- it is once it is locked, and with its tid, which it keeps for as long. (The cast is for sqlc,
-- which does not know the column; "wanted" is, too, which knows no parameters beside columns of a CTE.)
--
-- All bets of a user come together, so that a chunk locks and writes few wallets, and keeps few
-- bettors waiting. A share is a range of the ids between the lowest and the highest user with bets on
-- the event: what an index cannot tell, as a remainder of the id, every share would have to read all
-- bets for.
--
-- The event is a range of the index on (event_id, user_id, id), and the order is that index's.
-- Written as "event_id = ... order by user_id, id", which is the same, it may be planned as a
-- walk over the primary key, past the bets of all other events.
with lowest as (
    select b.user_id
    from bets b
    where (b.event_id, b.user_id, b.id) > (@event_id::bigint, 0, 0) and b.event_id <= @event_id
    order by b.event_id, b.user_id, b.id
    limit 1
), highest as (
    select b.user_id
    from bets b
    where (b.event_id, b.user_id, b.id) > (@event_id, 0, 0) and b.event_id <= @event_id
    order by b.event_id desc, b.user_id desc, b.id desc
    limit 1
), wanted as (
    select @share::bigint as share, @shares::bigint as shares
), ranges as (
    select l.user_id as lowest, (h.user_id - l.user_id) / w.shares + 1 as width, w.share
    from lowest l
        cross join highest h
        cross join wanted w
), share as (
    select lowest + width * share as from_user, lowest + width * (share + 1) as before_user from ranges
), start as (
    select greatest(s.from_user, l.user_id) as user_id, case when l.user_id >= s.from_user then l.id else 0 end as id
    from share s
        left join bets l on l.id = @after::bigint
)
select b.*, b.ctid::tid as tid
from bets b
where (b.event_id, b.user_id, b.id) > (@event_id, (select user_id from start), (select id from start))
    and (b.event_id, b.user_id) < (@event_id, (select before_user from share))
    and b.settle_revision < (select e.settle_revision from events e where e.id = @event_id and not e.quarantined)
order by b.event_id, b.user_id, b.id
limit @at_most
for update of b skip locked;

-- name: SettleBets :execrows
-- Bets that are locked: by their tids, which spares a walk down the primary key for each. A revision
-- never goes down. In settled_at Go's zero time stands for none.
update bets b
set status          = s.status,
    payout          = case when s.status <> 1 then s.payout end,
    void_reason     = nullif(s.void_reason, 0),
    settle_revision = s.settle_revision,
    settled_at      = nullif(s.settled_at, '0001-01-01 00:00:00+00')
from (
    select unnest(@tids::tid[]) as tid, unnest(@ids::bigint[]) as id, unnest(@statuses::smallint[]) as status,
           unnest(@payouts::bigint[]) as payout, unnest(@void_reasons::smallint[]) as void_reason,
           unnest(@settle_revisions::bigint[]) as settle_revision, unnest(@settled_at::timestamptz[]) as settled_at
) as s
where b.ctid = s.tid and b.id = s.id and b.settle_revision < s.settle_revision;

-- name: InsertBetTransfers :exec
-- Transfers of bets, all at one instant, that refer to nothing. Their ids come in the order of the arrays.
insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
select unnest(@user_ids::bigint[]), unnest(@debits::smallint[]), unnest(@credits::smallint[]), unnest(@amounts::bigint[]),
       unnest(@kinds::smallint[]), unnest(@bet_ids::bigint[]), unnest(@revisions::bigint[]), @at::timestamptz;

-- name: LockLiabilityAgainstMaking :exec
-- Whoever changes a liability waits for those who are working it out, see LockMissingLiabilities.
select pg_advisory_xact_lock_shared(-1 - @event_id::bigint);

-- name: ChangeLiability :exec
-- A liability that is not kept has no row. One that has gone wrong must not keep bets from being
-- settled; that it is wrong, the ledger check tells.
update liabilities set amount = greatest(amount + @change, 0) where event_id = @event_id;

-- name: LockBet :one
select * from bets where id = @id for update;

-- name: ChangeBet :execrows
-- Settles one bet on a person's wish: it may keep its revision. In settled_at Go's zero time
-- stands for none.
update bets
set status          = @status::smallint,
    payout          = case when @status::smallint <> 1 then @payout::bigint end,
    void_reason     = nullif(@void_reason::smallint, 0),
    settle_revision = @settle_revision,
    settled_at      = nullif(@settled_at::timestamptz, '0001-01-01 00:00:00+00')
where id = @id and settle_revision <= @settle_revision;

-- name: SettleRevision :one
select settle_revision from events where id = @event_id and not quarantined;

-- name: FirstBetBehind :many
-- Reads past the locks of settlers: a bet that one of them is settling is still behind. Written as
-- a range, see LockBetsBehind.
select id
from bets
where (event_id, id) > (@event_id::bigint, 0) and event_id <= @event_id and settle_revision < @settle_revision
order by event_id, id
limit 1;

-- name: MarkSettled :execrows
-- Marks the event only while its revision is still the one that the bets were compared with.
update events
set settled_revision = @settle_revision
where id = @event_id and settle_revision = @settle_revision and not quarantined;

-- name: Unsettled :many
select id, (clock_timestamp() - resulted_at)::interval as waiting
from events
where settled_revision < settle_revision and not quarantined
order by resulted_at, id
limit @at_most;
