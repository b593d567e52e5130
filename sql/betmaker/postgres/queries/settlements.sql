-- name: LockBetsBehind :many
-- Locks and returns bets of an event that are behind its present settle revision, with their tids. They
-- belong to one share of the users, come ordered by user and id, and start after a given bet, so that no
-- chunk reads the bets of earlier chunks again. Bets that another settler has locked are skipped. Each row
-- is returned as it is after it has been locked; it keeps its tid while the lock is held.
--
-- The order puts all bets of a user together: a chunk then locks and writes few wallets, and few bettors
-- wait for it. A share is a range of the user ids between the lowest and the highest user with bets on the
-- event. A share by the remainder of the id could not be read from an index: every share would have to
-- read all bets.
--
-- The event is a range of the index on (event_id, user_id, id), and the order is the order of that index.
-- The equivalent "event_id = ... order by user_id, id" may be planned as a walk over the primary key, past
-- the bets of all other events.
--
-- The cast of ctid and the table "wanted" are for sqlc, which does not know that column, nor parameters
-- beside the columns of a table expression.
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
select sqlc.embed(b), b.ctid::tid as tid
from bets b
where (b.event_id, b.user_id, b.id) > (@event_id, (select user_id from start), (select id from start))
    and (b.event_id, b.user_id) < (@event_id, (select before_user from share))
    and b.settle_revision < (select e.settle_revision from events e where e.id = @event_id and not e.quarantined)
order by b.event_id, b.user_id, b.id
limit @at_most
for update of b skip locked;

-- name: SettleBets :execrows
-- Writes the settlements of locked bets. It finds them by tid, which saves a walk down the primary key for
-- each. A revision never goes down. In settled_at Go's zero time stands for null.
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
-- Inserts transfers of bets that have the same instant and no reference. Their ids ascend in the order of
-- the arrays.
insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
select unnest(@user_ids::bigint[]), unnest(@debits::smallint[]), unnest(@credits::smallint[]), unnest(@amounts::bigint[]),
       unnest(@kinds::smallint[]), unnest(@bet_ids::bigint[]), unnest(@revisions::bigint[]), @at::timestamptz;

-- name: LockLiabilityAgainstMaking :exec
-- Waits for transactions that are computing the liability, see LockMissingLiabilities.
select pg_advisory_xact_lock_shared(-1 - @event_id::bigint);

-- name: ChangeLiability :exec
-- Does nothing if no liability is stored. A wrong liability must not block settling; the ledger check
-- reports it.
update liabilities set amount = greatest(amount + @change, 0) where event_id = @event_id;

-- name: LockBet :one
select * from bets where id = @id for update;

-- name: ChangeBet :execrows
-- Settles one bet at a person's request: it may keep its revision. In settled_at Go's zero time stands for
-- null.
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
-- Ignores the locks of settlers: a bet that is being settled is still behind. Written as a range, see
-- LockBetsBehind.
select id
from bets
where (event_id, id) > (@event_id::bigint, 0) and event_id <= @event_id and settle_revision < @settle_revision
order by event_id, id
limit 1;

-- name: MarkSettled :execrows
-- Marks the event only if its revision is still the one that the bets were compared with.
update events
set settled_revision = @settle_revision
where id = @event_id and settle_revision = @settle_revision and not quarantined;

-- name: Unsettled :many
select id, (store_clock_now() - resulted_at)::interval as waiting
from events
where settled_revision < settle_revision and not quarantined
order by resulted_at, id
limit @at_most;
